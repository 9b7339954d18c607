"""What a committing process does with its events before it answers: end the kept answers they contradict, wake the feeds.

Both are best effort and bounded; whoever must not miss an event reads the log.
"""

from collections.abc import Sequence

from armature.engine.caching import QueryCache
from armature.engine.live import Announcer
from armature.ports.database import EventRow

__all__ = ["AfterCommit"]


class AfterCommit:
    """Called with the events of a unit once they are durable."""

    def __init__(self, queries: QueryCache | None, announcer: Announcer | None) -> None:
        self._queries = queries if queries is not None and queries.used else None
        self._announcer = announcer if announcer is not None and announcer.used else None

    @property
    def idle(self) -> bool:
        """True when nobody needs to be told anything."""
        return self._queries is None and self._announcer is None

    async def __call__(self, events: Sequence[EventRow]) -> None:
        if self._queries is not None:
            await self._queries.happened(events)
        if self._announcer is not None:
            self._announcer.happened(events)
