"""The role that gives events their positions, on databases that cannot do it at the commit.

It looks every `poll_seconds`, and at once when somebody says that events were recorded. Several of it take turns.
"""

import random

from armature.engine.sequencer import Sequencer
from armature.runtime.roles.rhythm import Rhythm

__all__ = ["SequencerRole"]

# What is committed in a moment is numbered together: a number for each single commit would be a second commit for it.
_LINGER_SECONDS = 0.003


class SequencerRole:
    """Numbers the log of this process's database."""

    def __init__(self, sequencer: Sequencer, poll_seconds: float) -> None:
        self.sequencer = sequencer
        # Two that started together must not ask together for ever.
        self._loop = Rhythm("sequencer", self._step, poll_seconds * random.uniform(0.75, 1.25), _LINGER_SECONDS)

    def start(self) -> None:
        """Begin to number."""
        self._loop.start()

    def wake(self) -> None:
        """Say that events were recorded."""
        self._loop.wake()

    async def stop(self) -> None:
        """Finish the batch in hand and end."""
        await self._loop.stop()

    def readiness(self) -> list[str]:
        """Return why this process should not be asked; empty when all is well."""
        return [self._loop.trouble] if self._loop.trouble else []

    async def _step(self) -> bool:
        before = self.sequencer.numbered
        more = await self.sequencer.step()
        if self.sequencer.numbered > before:
            self._loop.stir(self.sequencer.numbered - before)
        return more
