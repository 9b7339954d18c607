"""One writer, first come first served, one transaction and one fsync for all that waits.

Statements of a batch run on the event loop, its COMMIT (the fsync) on the writer's thread; what arrives meanwhile is
the next batch, so there is no timer. A thread for the statements too would give up and retake the interpreter's lock
for each of them: measured, a third less throughput when reads run beside it. Long units do go to the thread, because
then the loop's callers matter more.

A unit of a batch has no savepoint. When one fails after it wrote something, the batch is rolled back and judged
again, unit by unit with savepoints (`_replay`); one that loses before its first write needs none of that.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from time import monotonic

import apsw

from armature.adapters.sqlite.apply import Applier
from armature.adapters.sqlite.thread import WriterThread
from armature.adapters.sqlite.trouble import commit_trouble, constraint_name, trouble
from armature.adapters.sqlite.turn import take_turn
from armature.adapters.sqlite.waiting import Batch, Outcome, Script, Turn, Waiting, Write, settle
from armature.engine.crash import crashpoint
from armature.engine.policies import DatabasePolicy
from armature.kernel.refusals import Unavailable
from armature.ports.database import Committed, Decide, Expired, Owner, Row, Unit, Verdict, Violated

__all__ = ["Writer"]

_LONG_UNIT = 64
"""Statements; about half a millisecond of the loop."""
_SLOW_SECONDS = 60.0
"""How long a lane that was slow once writes from the thread."""


class Writer:
    """Owns the writing connection. All its methods are called on one event loop."""

    def __init__(self, applier: Applier, policy: DatabasePolicy, turn_seconds: float) -> None:
        self._applier = applier
        self._db = applier.db
        self._policy = policy
        self._turn_seconds = turn_seconds
        self._queue: deque[Waiting] = deque()
        self._slow: dict[str, float] = {}
        self._slow_until: dict[str, float] = {}
        self._bell: asyncio.Future[None] | None = None
        self._closing = False
        self._thread = WriterThread()
        self._loop = asyncio.get_running_loop()
        self._driver = self._loop.create_task(self._drive(), name="armature-writer")
        self.commits = 0
        self.batches = 0
        self.batch_sizes: Counter[int] = Counter()
        """Batches by the number of units in them, rounded up to a power of two."""

    def commit(self, unit: Unit) -> "asyncio.Future[Verdict]":
        """Queue a unit; the future tells its verdict."""
        done: asyncio.Future[Verdict] = self._loop.create_future()
        self._push(Write(done, unit.owner, unit))
        return done

    def turn(self, rows: Sequence[Row], decide: Decide, owner: Owner) -> "asyncio.Future[Verdict]":
        """Queue a turn. The whole file is one row here: nobody else writes at all while it lasts."""
        done: asyncio.Future[Verdict] = self._loop.create_future()
        self._push(Turn(done, owner, decide))
        return done

    def script(self, text: str) -> "asyncio.Future[None]":
        """Queue statements that are no units."""
        done: asyncio.Future[None] = self._loop.create_future()
        self._push(Script(done, text))
        return done

    async def close(self) -> None:
        """Serve what is in hand, then end the thread."""
        self._closing = True
        self._ring()
        await self._driver
        self._thread.stop()

    def _push(self, waiting: Waiting) -> None:
        if self._closing:
            raise Unavailable(what="database: closed")
        self._queue.append(waiting)
        self._ring()

    def _ring(self) -> None:
        if self._bell is not None and not self._bell.done():
            self._bell.set_result(None)

    async def _drive(self) -> None:
        while True:
            if not self._queue:
                if self._closing:
                    return
                # Between the look at the queue and the new bell nothing is awaited, so no ring is lost.
                self._bell = self._loop.create_future()
                await self._bell
                self._bell = None
                continue
            first = self._queue[0]
            if isinstance(first, Script):
                self._queue.popleft()
                await self._script(first)
            else:
                await self._batch()

    async def _batch(self) -> None:
        batch = Batch()
        try:
            crashpoint("commit.formed")
            await self._begin()
            crashpoint("commit.begun")
            wrote = self._db.total_changes()
            await self._fill(batch)
            crashpoint("commit.written")
        except Exception as error:
            self._give_up(batch, trouble(error))
            return
        try:
            # Without a change there is nothing to sync, and no reason to leave the loop.
            if self._db.total_changes() == wrote:
                self._commit()
            else:
                await self._thread.run(self._commit)
        except apsw.ConstraintError:
            await self._thread.run(partial(self._separately, batch))
        except Exception as error:
            self._give_up(batch, commit_trouble(error))
            return
        crashpoint("commit.committed")
        self._count(batch)
        batch.answer()
        crashpoint("commit.answered")

    async def _begin(self) -> None:
        if self._db.in_transaction:  # a rollback that failed with the disk
            self._db.execute("rollback")
        try:
            self._db.execute("begin immediate")
        except apsw.BusyError:
            await self._thread.run(self._begin_patiently)

    def _begin_patiently(self) -> None:
        # Another process writes. Waiting belongs to the thread: the loop goes on serving reads.
        self._db.set_busy_timeout(int(self._policy.busy_seconds * 1_000))
        try:
            self._db.execute("begin immediate")
        finally:
            self._db.set_busy_timeout(0)

    def _commit(self) -> None:
        self._db.execute("commit")

    async def _fill(self, batch: Batch) -> None:
        """Take from the queue what fits into this transaction, as long as nobody must wait too long for its fsync."""
        while (waiting := self._next(batch)) is not None:
            if isinstance(waiting, Turn):
                await self._turn(batch, waiting)
            elif batch.careful or self._is_long(waiting.unit):
                together = [waiting, *self._more_long(batch)]
                await self._thread.run(partial(self._write_all, batch, together))
            else:
                self._write(batch, waiting, waiting.unit)
                if batch.dirty:
                    await self._thread.run(partial(self._replay, batch))

    def _more_long(self, batch: Batch) -> list[Write]:
        """Take the long units that stand next: one walk to the thread for all of them."""
        together: list[Write] = []
        while (waiting := self._next(batch, len(together) + 1)) is not None:
            if isinstance(waiting, Turn) or not (batch.careful or self._is_long(waiting.unit)):
                self._queue.appendleft(waiting)
                break
            together.append(waiting)
        return together

    def _next(self, batch: Batch, taken: int = 0) -> Write | Turn | None:
        """Return who is next in this batch. Who left or came too late is looked at here, for the last time."""
        now = monotonic()
        while self._queue and len(batch.entries) + taken < self._policy.batch_units_max:
            waiting = self._queue[0]
            if isinstance(waiting, Script) or now - batch.started > self._turn_seconds:
                return None
            self._queue.popleft()
            if waiting.done.done():
                continue
            if not waiting.owner.gone and waiting.owner.deadline > now:
                return waiting
            settle(waiting, Expired())
        return None

    async def _turn(self, batch: Batch, turn: Turn) -> None:
        wanted = await take_turn(turn, self._applier, self._thread, self._turn_seconds)
        crashpoint("turn.decided")
        if isinstance(wanted, BaseException):
            batch.add(turn, None, wanted)
        elif self._is_long(wanted):
            await self._thread.run(partial(self._write, batch, turn, wanted))
        else:
            self._write(batch, turn, wanted)

    def _write_all(self, batch: Batch, together: list[Write]) -> None:
        for index, waiting in enumerate(together):
            try:
                self._write(batch, waiting, waiting.unit)
                if batch.dirty:
                    self._replay(batch)
            except Exception as error:
                for rest in together[index + 1 :]:  # they share the batch, and so its end
                    batch.add(rest, rest.unit, error)
                raise

    def _write(self, batch: Batch, waiting: Write | Turn, unit: Unit) -> None:
        before = self._db.total_changes()
        # A turn was decided on what stands before it, so it gets a savepoint and never costs its batch a replay.
        guarded = batch.careful or isinstance(waiting, Turn)
        try:
            outcome = self._judge(unit, guarded)
        except Exception as error:
            batch.add(waiting, unit, error)
            raise
        batch.add(waiting, unit, outcome)
        if isinstance(outcome, Committed):
            return
        if not self._db.in_transaction:
            raise Unavailable(what="database: a constraint of a table ended everybody's transaction")
        batch.dirty = not guarded and self._db.total_changes() != before

    def _judge(self, unit: Unit, guarded: bool) -> Outcome:
        start = monotonic()
        try:
            return self._applier.alone(unit) if guarded else self._applier.apply(unit)
        except Exception as error:
            if trouble(error) is not error or not self._db.in_transaction:
                raise  # the database's trouble is everybody's
            return error  # a bug is its unit's own
        finally:
            now = monotonic()
            if now - start > self._policy.slow_statement_seconds:
                # Twice within a minute, because once may be the disk's or another process's doing.
                if now - self._slow.get(unit.lane, float("-inf")) < _SLOW_SECONDS:
                    self._slow_until[unit.lane] = now + _SLOW_SECONDS
                self._slow[unit.lane] = now

    def _replay(self, batch: Batch) -> None:
        """Judge everything in the batch again, each alone. What stands before the failed unit comes out as before."""
        batch.dirty, batch.careful = False, True
        self._db.execute("rollback")
        self._begin_patiently()
        for index, (waiting, unit, _) in enumerate(batch.entries):
            if unit is not None:
                batch.entries[index] = (waiting, unit, self._judge(unit, True))

    def _separately(self, batch: Batch) -> None:
        """A deferred constraint refused the COMMIT and does not say whose: a transaction for each unit finds out."""
        for index, (waiting, unit, outcome) in enumerate(batch.entries):
            if unit is None:
                continue
            try:
                if self._db.in_transaction:
                    self._db.execute("rollback")
                self._begin_patiently()
                outcome = self._judge(unit, True)
                self._commit()
            except apsw.ConstraintError as refused:
                outcome = Violated(constraint_name(self._db, refused), None)
            except Exception as error:
                outcome = commit_trouble(error)
            batch.entries[index] = (waiting, unit, outcome)
        if self._db.in_transaction:
            self._db.execute("rollback")

    def _is_long(self, unit: Unit) -> bool:
        if len(unit.writes) + len(unit.guards) + len(unit.events) > _LONG_UNIT:
            return True
        plans = self._applier.plans
        if any(not plans[statement].short for statement, _ in (*unit.writes, *unit.guards) if statement in plans):
            return True
        return bool(self._slow_until) and self._slow_until.get(unit.lane, 0.0) > monotonic()

    def _give_up(self, batch: Batch, error: Exception) -> None:
        """Nothing of the batch happened. SQLite may have rolled back by itself (a full disk), so ask first."""
        if self._db.in_transaction:
            with suppress(apsw.Error):
                self._db.execute("rollback")
        if not batch.entries:  # no transaction was to be had: whoever waits now would only wait again
            while (waiting := self._next(batch)) is not None:
                batch.add(waiting, None, error)
        batch.fail(error)

    async def _script(self, script: Script) -> None:
        error: Exception | None = None
        try:
            await self._thread.run(partial(self._run_script, script.text))
        except Exception as raised:
            error = trouble(raised)
            if error is raised:
                error = ValueError(f"the script was refused and nothing of it is done: {raised}")
        if script.done.done():
            return
        if error is not None:
            script.done.set_exception(error)
        else:
            script.done.set_result(None)

    def _run_script(self, text: str) -> None:
        self._begin_patiently()
        try:
            self._db.execute(text).fetchall()
            self._db.execute("commit")
        finally:
            if self._db.in_transaction:
                self._db.execute("rollback")

    def _count(self, batch: Batch) -> None:
        units = len(batch.entries)
        if units:
            self.batches += 1
            self.commits += sum(isinstance(outcome, Committed) for _, _, outcome in batch.entries)
            self.batch_sizes[1 << (units - 1).bit_length()] += 1
