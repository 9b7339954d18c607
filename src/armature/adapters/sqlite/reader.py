"""Reads: on the event loop where that is short, on a few threads where it is not.

`cost` decides by the plan. Facts correct it: what needs more than some 50 000 steps of SQLite's machine is
interrupted and done again on a thread, and so is, from then on, a statement whose moving p99 is above `loop_read_seconds`
(the share of slow reads, not a single one: that may be another process on this core). Either way the statement stays
away from the loop for a minute.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from time import monotonic
from typing import Any

import apsw

from armature.adapters.sqlite.apply import Plans
from armature.adapters.sqlite.plan import Plan
from armature.adapters.sqlite.trouble import trouble
from armature.engine.policies import QueryPolicy
from armature.kernel.refusals import Unavailable
from armature.ports.database import Bound

__all__ = ["Reader"]

_STEPS = 25_000
_AWAY_SECONDS = 60.0
_SLOW_SHARE = 0.01
_SLOW_LIMITS = 10
"""So many times the limit slow reads of a minute take together before their share counts: a busy machine slows any read."""


class Reader:
    """The reading connections: one on the loop, one per thread, opened when first needed."""

    def __init__(self, connect: Callable[[], apsw.Connection], plans: Plans, policy: QueryPolicy) -> None:
        self._connect = connect
        self._plans = plans
        self._limit = policy.loop_read_seconds
        self.db = connect()
        self._cursor = self.db.cursor()
        self._ticks = 0
        self.db.set_progress_handler(self._tick, _STEPS)
        self._loop = asyncio.get_running_loop()
        self._pool = ThreadPoolExecutor(policy.reader_threads, thread_name_prefix="armature-reader")
        self._seats: list[_Seat] = []
        self._idle: list[_Seat] = []
        self._closed = False
        self._reads = 0
        self._crowded = False
        self._sharing = False
        self.loop_reads_interrupted = 0

    async def read(self, asks: Sequence[Bound]) -> list[list[Any]]:
        """Return the rows of each ask, all as of one state."""
        if self._closed:
            raise Unavailable(what="database: closed")
        start = monotonic()
        plans = []
        for statement, _ in asks:
            plan = self._plans[statement]
            plan.reads += 1
            if not plan.short or plan.heavy_until > start:
                return await self._on_thread(asks)
            plans.append(plan)
        try:
            self._ticks = 0
            self._reads += 1
            if not self._sharing:
                self._share(len(asks))
            if len(asks) == 1:
                rows = [plans[0].fetch(self._cursor, asks[0][1])]
            else:
                rows = [plan.fetch(self._cursor, values) for plan, (_, values) in zip(plans, asks, strict=True)]
        except (apsw.InterruptError, apsw.BusyError) as error:
            if isinstance(error, apsw.InterruptError):
                self._send_away(plans, start)
            return await self._on_thread(asks)
        except apsw.Error as error:
            raise trouble(error) from error
        if (seconds := monotonic() - start) > self._limit:
            self._note_slow(plans, start, seconds)
        return rows

    def close(self) -> None:
        """Stop what runs and let go of the connections."""
        if self._closed:
            return
        self._closed = True
        self._pool.shutdown(wait=True, cancel_futures=True)
        for seat in self._seats:
            seat.db.close()
        self._cursor.close()
        self.db.close()

    def _share(self, asks: int) -> None:
        """Begin a read transaction for all reads of this turn of the loop, where there are several or were last time.

        Taking and giving back SQLite's shared lock is two system calls, more than the read itself; to say begin and commit costs
        a read that stays alone as much again. Nobody sees an old state by it: a verdict that is told after this moment wakes its
        caller after `_turned`, which is queued by now.
        """
        if self._reads == 1:
            self._loop.call_soon(self._turned)
        if self._crowded or self._reads > 1 or asks > 1:
            self._cursor.execute("begin")
            self._sharing = True

    def _turned(self) -> None:
        self._crowded = self._reads > 1
        self._reads = 0
        if self._sharing:
            self._sharing = False
            if not self._closed and self.db.in_transaction:
                self._cursor.execute("commit")

    def _tick(self) -> bool:
        # SQLite counts steps over all runs of a cached statement, so the first tick of a run may come at once.
        self._ticks += 1
        return self._ticks > 2

    def _send_away(self, plans: Sequence[Plan], now: float) -> None:
        self.loop_reads_interrupted += 1
        for plan in plans:
            plan.heavy_until = now + _AWAY_SECONDS

    def _note_slow(self, plans: Sequence[Plan], now: float, seconds: float) -> None:
        for plan in plans:
            if now - plan.counted_from > _AWAY_SECONDS:
                plan.counted_from, plan.reads, plan.slow_reads, plan.slow_seconds = now, 1, 0, 0.0
            plan.slow_reads += 1
            plan.slow_seconds += seconds
            if plan.slow_seconds > self._limit * _SLOW_LIMITS and plan.slow_reads > max(1, plan.reads * _SLOW_SHARE):
                plan.heavy_until = now + _AWAY_SECONDS

    async def _on_thread(self, asks: Sequence[Bound]) -> list[list[Any]]:
        job = _Job(self._plans, asks)
        try:
            return await self._loop.run_in_executor(self._pool, self._serve, job)
        except asyncio.CancelledError:
            job.left = True
            raise
        except Exception as error:
            raise trouble(error) from error

    def _serve(self, job: "_Job") -> list[list[Any]]:
        try:
            seat = self._idle.pop()  # looked at and taken in one step: other threads do the same
        except IndexError:
            seat = self._new_seat()
        try:
            return seat.serve(job)
        finally:
            self._idle.append(seat)

    def _new_seat(self) -> "_Seat":
        seat = _Seat(self._connect(), lambda: self._closed)
        self._seats.append(seat)
        return seat


class _Job:
    """A read on a thread; `left` says that nobody waits for it any more."""

    def __init__(self, plans: Plans, asks: Sequence[Bound]) -> None:
        self.plans = plans
        self.asks = asks
        self.left = False


class _Seat:
    """A connection for whichever thread needs one."""

    def __init__(self, db: apsw.Connection, closing: Callable[[], bool]) -> None:
        self.db = db
        self._closing = closing
        self._cursor = db.cursor()
        self._job: _Job | None = None
        db.set_busy_timeout(1_000)
        db.set_progress_handler(self._abandoned, _STEPS)

    def serve(self, job: _Job) -> list[list[Any]]:
        """Read in one transaction, so that all asks see one state."""
        self._job = job
        try:
            self._cursor.execute("begin")
            return [job.plans[statement].fetch(self._cursor, values) for statement, values in job.asks]
        finally:
            self._job = None
            with suppress(apsw.Error):
                if self.db.in_transaction:
                    self._cursor.execute("rollback")

    def _abandoned(self) -> bool:
        # A read that nobody waits for holds its snapshot, and with it the log's growth.
        return self._closing() or (self._job is not None and self._job.left)
