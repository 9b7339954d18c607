"""Changes that a process could not tell the cache of: told as soon as it answers again.

A cache that one process cannot reach goes on answering others, with what the change has ended. The followers of the log tell it
too, but they rest the longer, the longer it was away; whoever committed the change is here, and asks several times a second.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import count, islice

__all__ = ["OwedTags"]

_PAUSE_SECONDS = 0.25
_BATCH = 500
# What is beyond it is left to the followers of the log.
_TAGS_MAX = 10_000


class OwedTags:
    """Tags whose state is still to change. True while there are any: until then the process must not trust what it finds."""

    def __init__(self, invalidate: Callable[[Sequence[str]], Awaitable[None]]) -> None:
        self._invalidate = invalidate
        self._tags: dict[str, int] = {}
        self._numbers = count()
        self._telling: asyncio.Task[None] | None = None

    def __bool__(self) -> bool:
        return bool(self._tags)

    def add(self, tags: Iterable[str]) -> None:
        """Hear what the cache could not be told."""
        for tag in tags:
            if tag in self._tags or len(self._tags) < _TAGS_MAX:
                self._tags[tag] = next(self._numbers)
        if self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._tell(), name="owed tags")

    async def close(self) -> None:
        """Tell nothing more."""
        self._tags.clear()
        if self._telling is not None:
            self._telling.cancel()
            await asyncio.wait((self._telling,))

    async def _tell(self) -> None:
        while self._tags:
            telling = dict(islice(self._tags.items(), _BATCH))
            try:
                await self._invalidate(list(telling))
            except Exception:  # it was said in the log when it began
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            for tag, number in telling.items():
                # One that was owed again meanwhile is told again.
                if self._tags.get(tag) == number:
                    del self._tags[tag]
