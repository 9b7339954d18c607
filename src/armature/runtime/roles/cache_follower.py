"""Beside the projectors of a process: the followers of the log that end kept answers, whoever died before it could.

Two of them: one goes to the head of the log, one stays behind the slowest read model (engine/cache_follower.py). In several
processes they do the same work twice, which changes nothing; a checkpoint's version decides who moves it.
"""

from collections.abc import Sequence

from armature.engine.cache_follower import CacheFollower, slowest_read_model
from armature.engine.caching import QueryCache
from armature.engine.event_log import EventLog, Logged
from armature.ports.database import Database
from armature.runtime.roles.rhythm import Rhythm

__all__ = ["CacheFollowing"]


class CacheFollowing:
    """Both followers. Where no query is cached, nothing runs."""

    def __init__(self, database: Database, log: EventLog, queries: QueryCache, poll_seconds: float) -> None:
        head = CacheFollower(database, log, queries, "log", log.head)
        models = CacheFollower(database, log, queries, "read_models", slowest_read_model(database, log))
        self._head = Rhythm("cache follower of the log", head.step, poll_seconds)
        self._models = Rhythm("cache follower of the read models", models.step, poll_seconds)
        self._used = queries.used

    def start(self) -> None:
        """Begin to follow."""
        if self._used:
            self._head.start()
            self._models.start()

    def wake(self) -> None:
        """Hear that events were recorded."""
        self._head.wake()

    def projected(self, projection: str, events: Sequence[Logged], started_ns: int, ended_ns: int) -> None:
        """Hear that a projector of this process has committed (engine/projector.py, OnBatch)."""
        self._models.wake()

    async def stop(self) -> None:
        """Finish the steps in hand and end."""
        await self._head.stop()
        await self._models.stop()
