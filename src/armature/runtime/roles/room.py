"""Every process that answers looks by itself whether the broker has room for more events; no role, because nobody else can
look for it while the broker is away."""

from armature.engine.room_watch import RoomWatch
from armature.runtime.roles.rhythm import Rhythm

__all__ = ["LookingForRoom"]

_LOOK_SECONDS = 1.0


class LookingForRoom:
    """Looks once a second."""

    def __init__(self, watch: RoomWatch) -> None:
        self._loop = Rhythm("room at the broker", watch.look, _LOOK_SECONDS)

    def start(self) -> None:
        """Begin to look."""
        self._loop.start()

    async def stop(self) -> None:
        """Look no more."""
        await self._loop.stop()

    def readiness(self) -> list[str]:
        """Whoever refuses events answers everything else: the process stays ready."""
        return []
