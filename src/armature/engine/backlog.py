"""What a listener has been sent and has not yet asked for: bounded, the oldest leave first, and what left is counted.

Every adapter of port `signal` keeps one for each listener, so that a slow listener costs nobody but itself.
"""

import asyncio
from collections import deque

__all__ = ["Backlog"]


class Backlog:
    """Payloads of one listener. `put` is called in the loop's thread and never waits."""

    __slots__ = ("_arrived", "_limit", "_waiting", "lost")

    def __init__(self, limit: int) -> None:
        if limit < 1:
            raise ValueError(f"a backlog holds at least one signal, not {limit}")
        self._limit = limit
        self._waiting: deque[bytes] = deque()
        self._arrived = asyncio.Event()
        self.lost = 0
        """How often signals may have been missed; whoever knows of a broken connection adds to it."""

    def put(self, payload: bytes) -> None:
        """Keep a signal; the oldest leaves when there is no room."""
        if len(self._waiting) >= self._limit:
            self._waiting.popleft()
            self.lost += 1
        self._waiting.append(payload)
        self._arrived.set()

    async def next(self, seconds: float) -> bytes | None:
        """Return the oldest payload, None when none came within so long."""
        if not self._waiting and seconds > 0:
            self._arrived.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._arrived.wait()
            except TimeoutError:
                pass  # one that came in the same turn of the loop is still returned
        return self._waiting.popleft() if self._waiting else None
