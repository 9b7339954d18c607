"""The role that keeps read models up with the log: one loop for each projection, and one that watches them all.

`wake` is called after each commit that recorded events, so that a read model follows within milliseconds; without it (another
process wrote) the log is looked at every `poll_seconds`.
"""

from collections.abc import Sequence

from armature.engine.event_log import Logged
from armature.engine.generations import Model
from armature.engine.log_watch import LogWatch
from armature.engine.projections import HostedProjection, Shop
from armature.engine.projector import OnBatch
from armature.engine.read_models import ReadModels
from armature.engine.trace import Tracer
from armature.runtime.roles.rhythm import Rhythm

__all__ = ["ProjectorRole", "ReadModelFollower", "traced"]

# Ten milliseconds of events share a commit; a reader who waits for its own write does not notice them.
_LINGER_SECONDS = 0.01
_FOLLOW_SECONDS = 1.0


class ProjectorRole:
    """Projects all read models of this process."""

    def __init__(self, shop: Shop, models: Sequence[Model]) -> None:
        self.hosted = [HostedProjection(model, shop) for model in models]
        self.watch = LogWatch(shop.log, self.hosted, shop.policy, shop.now)
        self._loops = [
            Rhythm(f"projector {one.model.name}", one.step, shop.policy.poll_seconds, _LINGER_SECONDS) for one in self.hosted
        ]
        self._watching = Rhythm("log watch", self._look, shop.policy.head_check_seconds)

    def start(self) -> None:
        """Begin to follow the log."""
        for loop in (*self._loops, self._watching):
            loop.start()

    def wake(self) -> None:
        """Say that events were recorded."""
        for loop in self._loops:
            loop.wake()

    async def stop(self) -> None:
        """Finish the commits in hand and end."""
        for loop in (*self._loops, self._watching):
            await loop.stop()

    def readiness(self) -> list[str]:
        """Return why this process should not be asked; empty when all is well."""
        troubles = [loop.trouble for loop in (*self._loops, self._watching) if loop.trouble]
        return troubles + self.watch.readiness()

    async def _look(self) -> bool:
        await self.watch.check()
        return False


class ReadModelFollower:
    """In every process that reads read models: learns of swaps, and announces what it reads so that it is not dropped."""

    def __init__(self, models: ReadModels, generation_keep_seconds: float) -> None:
        self._models = models
        # Several announcements fit into the time after which a generation counts as forgotten.
        self._rounds = max(1, round(generation_keep_seconds / 10 / _FOLLOW_SECONDS))
        self._round = 0
        self._loop = Rhythm("read models", self._follow, _FOLLOW_SECONDS)

    def start(self) -> None:
        """Begin to follow."""
        self._loop.start()

    async def stop(self) -> None:
        """End."""
        await self._loop.stop()

    async def _follow(self) -> bool:
        await self._models.poll()
        if self._round % self._rounds == 0:
            await self._models.announce()
        self._round += 1
        return False


def traced(tracer: Tracer) -> OnBatch | None:
    """Return what tells a batch's work to the traces of the calls whose events it applied; None when nobody traces."""
    if not tracer.enabled:
        return None

    def tell(projection: str, events: Sequence[Logged], started_ns: int, ended_ns: int) -> None:
        for event in events:
            span = tracer.start(f"project {projection}", event.trace, "consumer")
            if span is not None:
                span.start_ns = started_ns
                span.attributes["armature.position"] = event.position
                span.end(ended_ns)

    return tell
