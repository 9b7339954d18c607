"""The role that keeps read models up with the log: one loop for each projection, and one that watches them all.

`wake` is called when the log has grown, so that a read model follows within milliseconds; where nobody does it (another process
wrote, and there are no words between the two) the log is looked at every `poll_seconds`. After each single commit it pays to
linger; where a sequencer tells of what it has numbered, that was gathered already.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from armature.engine.event_log import Logged
from armature.engine.generations import Model
from armature.engine.log_watch import LogWatch
from armature.engine.projections import HostedProjection, Shop
from armature.engine.projector import OnBatch
from armature.engine.read_models import ReadModels
from armature.engine.trace import Tracer
from armature.kernel.failure import Failure
from armature.runtime.roles.cache_follower import CacheFollowing
from armature.runtime.roles.rhythm import Rhythm
from armature.runtime.roles.turn import Turn

__all__ = ["ProjectorRole", "ReadModelFollower", "traced"]

# Ten milliseconds of events share a commit; a reader who waits for its own write does not notice them.
_LINGER_SECONDS = 0.01
_FOLLOW_SECONDS = 1.0


class _Share(NamedTuple):
    hosted: HostedProjection
    turn: Turn


class ProjectorRole:
    """Projects all read models of this process."""

    def __init__(
        self,
        shop: Shop,
        models: Sequence[Model],
        caches: CacheFollowing | None = None,
        turn: Callable[[Model], Turn] = lambda model: Turn(),
        linger_seconds: float = _LINGER_SECONDS,
    ) -> None:
        shares = [_Share(HostedProjection(model, shop), turn(model)) for model in models]
        self.hosted = [share.hosted for share in shares]
        self.mine = [share.hosted for share in shares if share.turn.mine]
        """The projections that it is this process's turn to project; the others are another one's."""
        self.watch = LogWatch(shop.log, self.mine, shop.policy, shop.now)
        self._shares = shares
        self._loops = [
            Rhythm(f"projector {one.hosted.model.name}", partial(self._step, one), shop.policy.poll_seconds, linger_seconds)
            for one in shares
        ]
        self._watching = Rhythm("log watch", self._look, shop.policy.head_check_seconds)
        self._caches = caches

    def start(self) -> None:
        """Begin to follow the log."""
        for loop in (*self._loops, self._watching):
            loop.start()
        if self._caches is not None:
            self._caches.start()

    def wake(self) -> None:
        """Say that events were recorded."""
        for loop in self._loops:
            loop.wake()
        if self._caches is not None:
            self._caches.wake()

    async def stop(self) -> None:
        """Finish the commits in hand and end."""
        for loop in (*self._loops, self._watching):
            await loop.stop()
        if self._caches is not None:
            await self._caches.stop()
        for share in self._shares:
            with suppress(Failure):  # it lapses by itself
                await share.turn.leave()

    def readiness(self) -> list[str]:
        """Return why this process should not be asked; empty when all is well."""
        troubles = [loop.trouble for loop in (*self._loops, self._watching) if loop.trouble]
        return troubles + self.watch.readiness()

    async def _look(self) -> bool:
        await self.watch.check()
        return False

    async def _step(self, share: _Share) -> bool:
        mine = await share.turn.taken()
        if mine != (share.hosted in self.mine):
            if mine:
                # What another process has done meanwhile is in the database, and this one's memory is not to be trusted.
                await share.hosted.look()
                self.mine.append(share.hosted)
            else:
                self.mine.remove(share.hosted)
        before = share.hosted.health().position
        if not (mine and await share.hosted.step()):
            return False
        moved = share.hosted.health().position - before
        if moved:
            # What came meanwhile shares a commit with what comes in a moment; looking at once would make one for each event.
            self._loops[self._shares.index(share)].stir(moved)
            return not share.hosted.caught_up
        return True


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
