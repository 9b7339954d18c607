"""One writer, first come first served, one transaction and one fsync for all that waits.

Statements of a batch run on the event loop, its COMMIT (the fsync) on the writer's thread; what arrives meanwhile is the
next batch, so there is no timer. A thread for the statements too would give up and retake the interpreter's lock for each
of them: measured, a third less throughput when reads run beside it. Long units do go to the thread, because then the
loop's callers matter more. What happens inside a transaction is in `transactions`.
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
from armature.adapters.sqlite.transactions import Transactions
from armature.adapters.sqlite.trouble import commit_trouble, trouble
from armature.adapters.sqlite.turn import take_turn
from armature.adapters.sqlite.waiting import Batch, Script, Turn, Waiting, Write, settle
from armature.engine.crash import crashpoint
from armature.engine.policies import DatabasePolicy
from armature.kernel.refusals import Unavailable
from armature.ports.database import Committed, Decide, Expired, Owner, Row, Unit, Verdict

__all__ = ["Writer"]

_LONG_UNIT = 256
"""Statements; about a millisecond of the loop. On the thread each of them gives up and retakes the interpreter's lock, so what
a projection applies in one go costs the process less here."""


class Writer:
    """Owns the writing connection. All its methods are called on one event loop."""

    def __init__(self, applier: Applier, policy: DatabasePolicy, turn_seconds: float) -> None:
        self._plans = applier.plans
        self._transactions = Transactions(applier, policy)
        self._units_max = policy.batch_units_max
        self._turn_seconds = turn_seconds
        self._queue: deque[Waiting] = deque()
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
        self._push(Write(done, unit.owner, unit, self._is_long(unit)))
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
            batch.started = monotonic()
            before = self._transactions.changed()
            await self._fill(batch)
            crashpoint("commit.written")
        except Exception as error:
            self._give_up(batch, trouble(error))
            return
        try:
            # Without a change there is nothing to sync, and no reason to leave the loop.
            if self._transactions.changed() == before:
                self._transactions.commit()
            else:
                await self._thread.run(self._transactions.commit)
        except apsw.ConstraintError:
            await self._thread.run(partial(self._transactions.separately, batch))
        except Exception as error:
            self._give_up(batch, commit_trouble(error))
            return
        crashpoint("commit.committed")
        self._count(batch)
        batch.answer()
        crashpoint("commit.answered")

    async def _begin(self) -> None:
        try:
            self._transactions.begin()
        except apsw.BusyError:
            await self._thread.run(self._transactions.begin_patiently)

    async def _fill(self, batch: Batch) -> None:
        """Take from the queue what fits into this transaction, as long as nobody must wait too long for its fsync."""
        transactions = self._transactions
        while (waiting := self._next(batch)) is not None:
            if isinstance(waiting, Turn):
                await self._turn(batch, waiting)
            elif self._is_for_thread(batch, waiting):
                together = [waiting, *self._more_for_thread(batch)]
                await self._thread.run(partial(transactions.write_all, batch, together))
            else:
                transactions.write(batch, waiting, waiting.unit)
                if batch.dirty:
                    await self._thread.run(partial(transactions.replay, batch))

    def _is_for_thread(self, batch: Batch, waiting: Write) -> bool:
        return batch.careful or waiting.long or self._transactions.is_slow(waiting.unit.lane)

    def _more_for_thread(self, batch: Batch) -> list[Write]:
        """Take the long units that stand next: one walk to the thread for all of them."""
        together: list[Write] = []
        while (waiting := self._next(batch, len(together) + 1)) is not None:
            if isinstance(waiting, Turn) or not self._is_for_thread(batch, waiting):
                self._queue.appendleft(waiting)
                break
            together.append(waiting)
        return together

    def _next(self, batch: Batch, taken: int = 0) -> Write | Turn | None:
        """Return who is next in this batch. Who left or came too late is looked at here, for the last time."""
        now = monotonic()
        count = len(batch.entries) + taken
        while self._queue and count < self._units_max:
            waiting = self._queue[0]
            if isinstance(waiting, Script) or (count and now - batch.started > self._turn_seconds):
                return None
            self._queue.popleft()
            if waiting.done.done():
                continue
            if not waiting.owner.gone and waiting.owner.deadline > now:
                waiting.owner.in_hand = True
                return waiting
            settle(waiting, Expired())
        return None

    async def _turn(self, batch: Batch, turn: Turn) -> None:
        try:
            wanted = await take_turn(turn, self._transactions.applier, self._thread, self._turn_seconds)
            crashpoint("turn.decided")
            long = isinstance(wanted, Unit) and self._is_long(wanted)
        except Exception as error:
            batch.add(turn, None, error)
            return
        if not isinstance(wanted, Unit):
            batch.add(turn, None, wanted)
        elif long or self._transactions.is_slow(wanted.lane):
            await self._thread.run(partial(self._transactions.write, batch, turn, wanted))
        else:
            self._transactions.write(batch, turn, wanted)

    def _is_long(self, unit: Unit) -> bool:
        if len(unit.writes) + len(unit.guards) + len(unit.events) > _LONG_UNIT:
            return True
        for statement, _ in unit.writes:
            if not self._plans[statement].short:
                return True
        return any(not self._plans[statement].short for statement, _ in unit.guards)

    def _give_up(self, batch: Batch, error: Exception) -> None:
        """Nothing of the batch happened."""
        with suppress(apsw.Error):
            self._transactions.rollback()
        if not batch.entries:  # no transaction was to be had: whoever waits now would only wait again
            batch.started = monotonic()  # waiting for the lock was not the batch's own time
            while (waiting := self._next(batch)) is not None:
                batch.add(waiting, None, error)
        batch.fail(error)

    async def _script(self, script: Script) -> None:
        try:
            await self._thread.run(partial(self._transactions.script, script.text))
        except Exception as raised:
            error = trouble(raised)
            if error is raised:
                error = ValueError(f"the script was refused and nothing of it is done: {raised}")
            if not script.done.done():
                script.done.set_exception(error)
            return
        if not script.done.done():
            script.done.set_result(None)

    def _count(self, batch: Batch) -> None:
        units = len(batch.entries)
        if units:
            self.batches += 1
            self.commits += sum(isinstance(outcome, Committed) for _, _, outcome in batch.entries)
            self.batch_sizes[1 << (units - 1).bit_length()] += 1
