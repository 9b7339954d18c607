"""A command that decides again while nobody else writes its rows.

Whoever wants the same rows queues here, in this process, and holds no connection while it waits. The first takes a
connection and locks the rows; those behind it follow in the same transaction, each reading what the one before it wrote, and
all are answered after the one commit: that is what keeps a hot row fast when a commit costs a sync of the disk. Every turn is
bounded, and so is the time that a chain of them holds the rows. What happens inside the transaction is in `turn_link`.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from armature.adapters.postgres.entry import Entry
from armature.adapters.postgres.turn_link import Link, Spoiled, Tools
from armature.adapters.postgres.turn_session import Turn
from armature.engine.crash import crashpoint
from armature.ports.database import Committed, Decide, Owner, Row, Verdict

__all__ = ["Tools", "Turns"]

_WARY_LINKS = 8
"""So many transactions for the same rows are wary after one had to be undone. Who fails now and then makes his neighbours decide
again now and then; where many fail, hardly anybody decides twice."""

_WARY_MAX = 10_000


class Turns:
    """Queues of turns by the rows they name."""

    def __init__(self, tools: Tools, turn_seconds: float, count: Callable[[Sequence[Entry]], None]) -> None:
        self._tools = tools
        self._seconds = turn_seconds
        self._count = count
        # Commits keep the other half of the connections, whatever is hot.
        self._seats = asyncio.Semaphore(max(1, tools.lanes.size // 2))
        self._waiting: dict[tuple[Row, ...], deque[Turn]] = {}
        self._gates: dict[Row, tuple[asyncio.Lock, list[None]]] = {}
        self._wary: dict[tuple[Row, ...], int] = {}
        """By the rows: how many of their next transactions are wary."""
        self._tasks: set[asyncio.Task[None]] = set()

    def queue(self, rows: Sequence[Row], decide: Decide, owner: Owner) -> "asyncio.Future[Verdict]":
        """Let it wait behind those who named the same rows."""
        loop = asyncio.get_running_loop()
        turn = Turn(loop.create_future(), owner, decide)
        key = tuple(sorted(set(rows), key=repr))
        waiting = self._waiting.get(key)
        if waiting is not None and key:
            waiting.append(turn)
            return turn.done
        waiting = deque((turn,))
        if key:
            self._waiting[key] = waiting
        task = loop.create_task(self._drive(key, waiting), name="armature-turn")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return turn.done

    async def close(self) -> None:
        """Give everybody in hand a verdict."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _drive(self, key: tuple[Row, ...], waiting: deque[Turn]) -> None:
        while waiting:
            async with self._gated(key), self._seats:
                await self._link(key, waiting)
        # Nothing is awaited between the last look and this line, so nobody is left behind.
        if self._waiting.get(key) is waiting:
            del self._waiting[key]

    @asynccontextmanager
    async def _gated(self, key: tuple[Row, ...]) -> AsyncIterator[None]:
        """Pass when no other turn of this process has one of the rows. In key order, so that nobody waits in a circle."""
        async with AsyncExitStack() as stack:
            for row in key:
                gate, users = self._gates.setdefault(row, (asyncio.Lock(), []))
                users.append(None)
                stack.callback(self._left, row)
                await stack.enter_async_context(gate)
            yield

    def _left(self, row: Row) -> None:
        users = self._gates[row][1]
        users.pop()
        if not users:
            del self._gates[row]

    async def _link(self, key: tuple[Row, ...], waiting: deque[Turn]) -> None:
        """Let several turns share one transaction."""
        link = Link(self._tools, (key, waiting), self._seconds, wary=self._is_wary(key))
        try:
            async with self._tools.lanes.taken(None) as connection:
                await link.run(connection)
        except Spoiled:
            link.give_back()
            if len(self._wary) >= _WARY_MAX:
                self._wary.clear()
            self._wary[key] = _WARY_LINKS
            return
        except Exception as error:
            link.fail(error)
        entries = [turn.entry for turn in link.done if turn.entry is not None]
        if any(isinstance(entry.outcome, Committed) for entry in entries):
            self._count(entries)
        for turn in link.done:
            outcome = turn.entry.outcome if turn.entry is not None else turn.refusal
            if outcome is not None:
                turn.settle(outcome)
        crashpoint("commit.answered")

    def _is_wary(self, key: tuple[Row, ...]) -> bool:
        left = self._wary.pop(key, 0)
        if left > 1:
            self._wary[key] = left - 1
        return left > 0
