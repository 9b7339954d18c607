"""The role that runs reactions: one loop for each, a member of that reaction's group at the broker.

Any number of processes may play it; the broker shares the events among them, and what one was killed over another takes again.
"""

from collections.abc import Sequence

from armature.engine.consumer import Consumer
from armature.runtime.roles.rhythm import Rhythm

__all__ = ["ReactorRole"]


class ReactorRole:
    """Runs all reactions of this process."""

    def __init__(self, consumers: Sequence[Consumer], poll_seconds: float) -> None:
        self.consumers = list(consumers)
        self._loops = [Rhythm(f"reaction {one.name}", one.step, poll_seconds) for one in consumers]

    def start(self) -> None:
        """Begin to take events."""
        for loop in self._loops:
            loop.start()

    async def stop(self) -> None:
        """Finish the events in hand, leave the groups and end."""
        for loop in self._loops:
            await loop.stop()
        for consumer in self.consumers:
            await consumer.close()

    def readiness(self) -> list[str]:
        """Return why this process should not be asked; empty when all is well."""
        troubles = [loop.trouble for loop in self._loops if loop.trouble]
        return troubles + [consumer.halted for consumer in self.consumers if consumer.halted]
