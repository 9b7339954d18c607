"""The role that carries the log to the broker. One process at a time does it, by lease; the others stand by and are ready."""

from armature.engine.relay import Relay
from armature.runtime.roles.rhythm import Rhythm

__all__ = ["RelayRole"]


class RelayRole:
    """Relays to one sink."""

    def __init__(self, relay: Relay, poll_seconds: float) -> None:
        self.relay = relay
        self._loop = Rhythm(f"relay {relay.sink}", relay.step, poll_seconds)

    def start(self) -> None:
        """Begin to relay, or to stand by."""
        self._loop.start()

    def wake(self) -> None:
        """Say that events got their positions."""
        self._loop.wake()

    async def stop(self) -> None:
        """Finish the window in hand, write down how far it got, and let another process go on at once."""
        await self._loop.stop()
        await self.relay.close()

    def readiness(self) -> list[str]:
        """Return why this process should not be asked; empty when all is well, also while another one relays."""
        return [reason for reason in (self._loop.trouble, self.relay.halted) if reason]
