"""What happens inside the writer's transactions: judging units, undoing, judging again.

Synchronous, and the same on the event loop and on the writer's thread; `writer` decides where. A unit of a batch has no
savepoint. When one fails after it wrote something, the batch is rolled back and judged again, unit by unit with
savepoints (`replay`); one that loses before its first write needs none of that.
"""

from contextlib import suppress
from time import monotonic

import apsw

from armature.adapters.sqlite.apply import Applier
from armature.adapters.sqlite.trouble import commit_trouble, constraint_name, trouble
from armature.adapters.sqlite.waiting import Batch, Outcome, Turn, Write
from armature.engine.policies import DatabasePolicy
from armature.kernel.refusals import Unavailable
from armature.ports.database import Committed, Unit, Violated

__all__ = ["Transactions"]

_SLOW_SECONDS = 60.0
"""How long a lane that was slow twice writes from the thread."""


class Transactions:
    """The writing connection and what may be done on it, one caller at a time."""

    def __init__(self, applier: Applier, policy: DatabasePolicy) -> None:
        self.applier = applier
        self._db = applier.db
        self._policy = policy
        self._slow_at: dict[str, float] = {}
        self._slow_until: dict[str, float] = {}

    def begin(self) -> None:
        """Begin, or raise BusyError at once."""
        self.rollback()  # one that failed with the disk is made up for here
        self._db.execute("begin immediate")

    def begin_patiently(self) -> None:
        """Begin, and wait while another process writes. Only for the thread: the loop goes on serving reads."""
        self._db.set_busy_timeout(int(self._policy.busy_seconds * 1_000))
        try:
            self.begin()
        finally:
            self._db.set_busy_timeout(0)

    def commit(self) -> None:
        """Make it durable: with synchronous=full this is the fsync."""
        self._db.execute("commit")

    def rollback(self) -> None:
        """Undo, if there is something: SQLite may have rolled back by itself (a full disk)."""
        if self._db.in_transaction:
            self._db.execute("rollback")

    def changed(self) -> int:
        """Return a number that is another one after a change."""
        return self._db.total_changes()

    def is_slow(self, lane: str) -> bool:
        """Return whether a module's writes keep the loop too long just now."""
        return bool(self._slow_until) and self._slow_until.get(lane, 0.0) > monotonic()

    def write_all(self, batch: Batch, together: list[Write]) -> None:
        """Write several units, replaying the batch where one of them asks for it."""
        for index, waiting in enumerate(together):
            try:
                self.write(batch, waiting, waiting.unit)
                if batch.dirty:
                    self.replay(batch)
            except Exception as error:
                for rest in together[index + 1 :]:  # they share the batch, and so its end
                    batch.add(rest, rest.unit, error)
                raise

    def write(self, batch: Batch, waiting: Write | Turn, unit: Unit) -> None:
        """Write one unit and note its verdict. What is everybody's trouble is raised."""
        before = self._db.total_changes()
        # A turn was decided on what stands before it, so it gets a savepoint and never costs its batch a replay.
        alone = batch.careful or isinstance(waiting, Turn)
        try:
            outcome = self._judge(unit, alone)
        except Exception as error:
            batch.add(waiting, unit, error)
            raise
        batch.add(waiting, unit, outcome)
        if isinstance(outcome, Committed):
            return
        if not self._db.in_transaction:
            raise Unavailable(what="database: a constraint of a table ended everybody's transaction")
        batch.dirty = not alone and self._db.total_changes() != before

    def replay(self, batch: Batch) -> None:
        """Judge everything in the batch again, each alone. What stands before the failed unit comes out as before."""
        batch.dirty, batch.careful = False, True
        self.rollback()
        self.begin_patiently()
        for index, (waiting, unit, _) in enumerate(batch.entries):
            if unit is not None:
                batch.entries[index] = (waiting, unit, self._judge(unit, True))

    def separately(self, batch: Batch) -> None:
        """A deferred constraint refused the COMMIT and does not say whose: a transaction for each unit finds out."""
        for index, (waiting, unit, _) in enumerate(batch.entries):
            if unit is not None:
                batch.entries[index] = (waiting, unit, self._committed_alone(unit))
        with suppress(apsw.Error):
            self.rollback()

    def script(self, text: str) -> None:
        """Run statements that are no units as one transaction."""
        self.begin_patiently()
        try:
            self._db.execute(text).fetchall()
            self.commit()
        finally:
            self.rollback()

    def _committed_alone(self, unit: Unit) -> Outcome:
        try:
            self.begin_patiently()
            outcome = self._judge(unit, True)
            self.commit()
        except apsw.ConstraintError as refused:
            return Violated(constraint_name(self._db, refused), None)
        except Exception as error:
            return commit_trouble(error)
        return outcome

    def _judge(self, unit: Unit, alone: bool) -> Outcome:
        start = monotonic()
        try:
            return self.applier.alone(unit) if alone else self.applier.apply(unit)
        except Exception as error:
            if trouble(error) is not error or not self._db.in_transaction:
                raise  # the database's trouble is everybody's
            return error  # a bug is its unit's own
        finally:
            now = monotonic()
            if now - start > self._policy.slow_statement_seconds:
                self._note_slow(unit.lane, now)

    def _note_slow(self, lane: str, now: float) -> None:
        # Twice within a minute, because once may be the disk's or another process's doing.
        if now - self._slow_at.get(lane, float("-inf")) < _SLOW_SECONDS:
            self._slow_until[lane] = now + _SLOW_SECONDS
        self._slow_at[lane] = now
