"""Links between systems that live in one process: a switchboard that all of them are given. Copies nothing but bytes."""

import asyncio
from collections.abc import Collection
from itertools import count

from armature.ports.links import LinkLate, LinkLost, LinkRefused, NotSent, Respond

__all__ = ["MemoryLinks", "Switchboard"]


class Switchboard:
    """Who answers for which module."""

    def __init__(self) -> None:
        self._answering: dict[str, list[MemoryLinks]] = {}
        self._turn = count()

    def add(self, module: str, links: "MemoryLinks") -> None:
        """Let `links` answer for the module."""
        self._answering.setdefault(module, []).append(links)

    def remove(self, links: "MemoryLinks") -> None:
        """Let it answer no more."""
        for answering in self._answering.values():
            if links in answering:
                answering.remove(links)

    def find(self, module: str) -> "MemoryLinks | None":
        """Return the next one in turn."""
        answering = self._answering.get(module)
        return answering[next(self._turn) % len(answering)] if answering else None


class MemoryLinks:
    """`Links` over a switchboard."""

    def __init__(self, board: Switchboard, *, message_bytes_max: int = 4_194_304) -> None:
        self._board = board
        self._bytes_max = message_bytes_max
        self._respond: Respond | None = None
        self._in_hand: set[asyncio.Task[bytes]] = set()

    async def open(self) -> None:
        """Nothing to connect."""

    async def close(self) -> None:
        """Answer no more, at once: what is in hand is dropped."""
        self._board.remove(self)
        for task in tuple(self._in_hand):
            task.cancel()
        await asyncio.gather(*self._in_hand, return_exceptions=True)

    async def ask(self, module: str, message: bytes, seconds: float) -> bytes:
        """Hand the message over and wait."""
        if len(message) > self._bytes_max:
            raise LinkRefused(f"the message has {len(message)} bytes, at most {self._bytes_max} are sent")
        there = self._board.find(module)
        if there is None:
            raise NotSent(f"nobody answers for '{module}'")
        task = there._take(message)
        try:
            async with asyncio.timeout(seconds):
                answer = await asyncio.shield(task)
        except TimeoutError:
            task.cancel()
            raise LinkLate(f"no answer for '{module}' within {seconds:.3g} s") from None
        except asyncio.CancelledError:
            asking = asyncio.current_task()
            if asking is not None and asking.cancelling():
                task.cancel()
                raise
            raise LinkLost(f"whoever answered for '{module}' has gone") from None
        if len(answer) > self._bytes_max:
            raise LinkRefused(f"the answer has {len(answer)} bytes, at most {self._bytes_max} are sent")
        return answer

    async def answer(self, modules: Collection[str], respond: Respond) -> None:
        """Stand on the switchboard."""
        self._respond = respond
        for module in modules:
            self._board.add(module, self)

    async def leave(self) -> None:
        """Leave the switchboard and finish."""
        self._board.remove(self)
        await asyncio.gather(*self._in_hand, return_exceptions=True)

    def _take(self, message: bytes) -> "asyncio.Task[bytes]":
        assert self._respond is not None
        task = asyncio.ensure_future(self._respond(message))
        self._in_hand.add(task)
        task.add_done_callback(self._in_hand.discard)
        return task
