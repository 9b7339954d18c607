"""Reads of one statement, asked by many at once, as one round trip.

No timer: a batch is what was asked in turns of the loop that followed each other, or arrived while the last batch of that
statement was away. Who asks the same is asked for once. A statement that turns out slow goes out in smaller batches, and a
bounded number at a time, so that it neither makes quick callers wait for slow ones nor holds the connections that other
statements need.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from time import monotonic
from typing import Any

import asyncpg

from armature.adapters.postgres.lanes import Lanes
from armature.adapters.postgres.plan import Plan
from armature.adapters.postgres.trouble import is_lost, translate
from armature.adapters.postgres.values import array_text
from armature.kernel.refusals import Unavailable

__all__ = ["Coalesced"]

_BATCH_MAX = 256
_SLOW_SECONDS = 0.05
_AT_ONCE = 2
"""Batches of a quick statement that are away at once: one is worked on by the server while the other one is unpacked here."""

_TURNS_MAX = 4
_GATHER_SECONDS = 0.002
"""Those who ask in the same moment come in one turn of the loop after the other: so many are waited for, and no longer."""

_SWIFT_SECONDS = 0.005
_WORTH = 8
"""Callers for whom a second round trip of a swift statement is worth its price; fewer wait for the first one to come back."""


class _Asked:
    """A caller's values and the future that it waits for."""

    __slots__ = ("answer", "batch", "values")

    def __init__(self, values: Sequence[Any], answer: "asyncio.Future[list[Any]]") -> None:
        self.values = values
        self.answer = answer
        self.batch: _Batch | None = None


class _Batch:
    """What went out together. `waiting` counts the callers that still want to know."""

    __slots__ = ("asked", "task", "waiting")

    def __init__(self, asked: list[_Asked]) -> None:
        self.asked = asked
        self.waiting = len(asked)
        self.task: asyncio.Task[None] | None = None
        for one in asked:
            one.batch = self

    def end(self) -> None:
        """Let go of each other, so that nobody waits for the garbage collector."""
        self.task = None
        for one in self.asked:
            one.batch = None


class Coalesced:
    """The callers of one statement. Its plan has a shared form, or takes no values at all."""

    def __init__(self, plan: Plan, lanes: Lanes) -> None:
        self._plan = plan
        self._lanes = lanes
        self._loop = asyncio.get_running_loop()
        self._queue: deque[_Asked] = deque()
        self._batches: set[_Batch] = set()
        self._called = False
        # Of the batch that gathers: callers at the last look, looks, and when the first one asked.
        self._seen = self._turns = 0
        self._began = 0.0
        self._size = _BATCH_MAX
        self._swift = False
        self._slow_at_once = max(1, lanes.size // 2)

    async def read(self, values: Sequence[Any]) -> list[list[Any]]:
        """Return the rows for these values, as the one element that an answer of one question has."""
        asked = _Asked(self._plan.encode_shared(values), self._loop.create_future())
        self._queue.append(asked)
        if not self._called:
            self._called = True
            self._seen = self._turns = 0
            self._began = monotonic()
            self._loop.call_soon(self._look)
        try:
            return [await asked.answer]
        except asyncio.CancelledError:
            self._left(asked)
            raise

    def close(self) -> None:
        """Refuse who still waits for a batch; what is away comes back."""
        while self._queue:
            _tell(self._queue.popleft(), Unavailable(what="database: closed"))

    def _left(self, asked: _Asked) -> None:
        batch = asked.batch
        if batch is not None:
            batch.waiting -= 1
            if not batch.waiting and batch.task is not None:
                batch.task.cancel()

    def _look(self) -> None:
        """Send once a turn of the loop has brought nobody new."""
        asked = len(self._queue)
        if asked > self._seen and self._turns < _TURNS_MAX and monotonic() - self._began < _GATHER_SECONDS:
            self._seen = asked
            self._turns += 1
            self._loop.call_soon(self._look)
        else:
            self._send()

    def _send(self) -> None:
        self._called = False
        queue = self._queue
        at_once = _AT_ONCE if self._size == _BATCH_MAX else self._slow_at_once
        while queue and len(self._batches) < at_once:
            if self._batches and self._swift and len(queue) < _WORTH:
                return
            asked: list[_Asked] = []
            while queue and len(asked) < self._size:
                one = queue.popleft()
                if not one.answer.done():
                    asked.append(one)
            if asked:
                batch = _Batch(asked)
                self._batches.add(batch)
                batch.task = self._loop.create_task(self._serve(batch))

    async def _serve(self, batch: _Batch) -> None:
        started = monotonic()
        try:
            await self._answer(batch.asked)
        except Exception as error:
            if len(batch.asked) == 1 or isinstance(error, Unavailable):
                for one in batch.asked:
                    _tell(one, error)
            else:
                await self._separately(batch.asked)
        finally:
            self._batches.discard(batch)
            batch.end()
            self._measure(len(batch.asked), monotonic() - started)
            if self._queue:
                self._send()

    async def _separately(self, asked: list[_Asked]) -> None:
        """One caller's values made the statement fail; nobody else shall pay for it."""
        for one in asked:
            if not one.answer.done():
                try:
                    await self._answer([one])
                except Exception as error:
                    _tell(one, error)

    async def _answer(self, asked: list[_Asked]) -> None:
        questions = self._questions(asked)
        records = await self._fetch([alike[0] for alike in questions])
        plan = self._plan
        build = plan.build_shared
        if plan.shared is None:  # no values, one answer; but rows of their own for everybody
            for one in asked:
                _give(one, plan.made(records))
            return
        answers: list[list[Any]] = [[] for _ in questions]
        for record in records:
            answers[record[0] - 1].append(build(record))
        for alike, rows in zip(questions, answers, strict=True):
            _give(alike[0], rows)
            for one in alike[1:]:
                _give(one, rows[:])

    def _questions(self, asked: list[_Asked]) -> list[list[_Asked]]:
        """Put together who asks the same, where the same rows will do for all of them."""
        if len(asked) == 1 or not self._plan.lasting:
            return [[one] for one in asked]
        alike: dict[tuple[Any, ...], list[_Asked]] = {}
        for one in asked:
            alike.setdefault(tuple(one.values), []).append(one)
        return list(alike.values())

    async def _fetch(self, asked: list[_Asked]) -> list[Any]:
        plan = self._plan
        sql, values = self._question(asked)
        for last in (False, True):
            try:
                async with self._lanes.taken(None, plan.role) as connection:
                    records: list[Any] = await connection.fetch(sql, *values)
                    return records
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
                # A read has no effect: where its connection broke it is asked once more on another one.
                if last or isinstance(error, TimeoutError) or not is_lost(error):
                    raise translate(error, plan.statement.home) from error
        raise AssertionError("unreachable")

    def _question(self, asked: list[_Asked]) -> tuple[str, list[Any]]:
        plan = self._plan
        if plan.shared is None:
            return plan.sql, []
        values: list[Any] = list(zip(*[one.values for one in asked], strict=True))
        if plan.secured and plan.tenant_at is not None:
            values.append(array_text(set(values[plan.tenant_at])))
        return plan.shared, values

    def _measure(self, callers: int, seconds: float) -> None:
        """Send as many together as can be served in good time: the server works on a batch one after the other."""
        self._swift = seconds < _SWIFT_SECONDS
        if seconds > _SLOW_SECONDS:
            self._size = max(1, min(self._size, int(callers * _SLOW_SECONDS / seconds)))
        elif self._size < _BATCH_MAX:
            self._size = min(_BATCH_MAX, self._size * 2)


def _give(asked: _Asked, rows: list[Any]) -> None:
    if not asked.answer.done():
        asked.answer.set_result(rows)


def _tell(asked: _Asked, error: Exception) -> None:
    if not asked.answer.done():
        asked.answer.set_exception(error)
