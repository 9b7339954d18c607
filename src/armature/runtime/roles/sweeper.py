"""The role that keeps a system from growing for ever: expired keys, old inbox rows, the old log, forgotten generations.

One process is enough; several do no harm, because each piece of work is decided by rows, and take turns to spare the others.
"""

from collections.abc import Sequence
from contextlib import suppress

from armature.engine.archive import Archive
from armature.engine.generations import Generations, Model
from armature.engine.policies import Policies
from armature.engine.retention import Retention
from armature.kernel.failure import Failure
from armature.runtime.roles.rhythm import Rhythm
from armature.runtime.roles.turn import Turn

__all__ = ["SweeperRole"]


class SweeperRole:
    """Sweeps every `sweep_seconds`, beginning one such time after the start."""

    def __init__(
        self,
        retention: Retention,
        archive: Archive,
        generations: Generations,
        models: Sequence[Model],
        policies: Policies,
        turn: Turn | None = None,
    ) -> None:
        self._retention = retention
        self._archive = archive
        self._generations = generations
        self._models = models
        self._keep = policies.projections.generation_keep_seconds
        self._turn = turn or Turn()
        self._begun = False
        self._loop = Rhythm("sweeper", self._step, policies.retention.sweep_seconds)

    def start(self) -> None:
        """Begin the rhythm."""
        self._loop.start()

    async def stop(self) -> None:
        """Finish the piece in hand and end."""
        await self._loop.stop()
        with suppress(Failure):  # it lapses by itself
            await self._turn.leave()

    def readiness(self) -> list[str]:
        """A sweeper that fails does not make a process unfit to be asked; its trouble is in the log."""
        return []

    async def sweep(self) -> None:
        """Do everything that is due now."""
        await self._retention.run()
        await self._archive.run()
        for model in self._models:
            await self._generations.drop_forgotten(model, self._keep)

    async def _step(self) -> bool:
        # Not at the start: that is when everybody else needs the database, and processes have to announce what they read
        # before anything counts as forgotten.
        if self._begun and await self._turn.taken():
            await self.sweep()
        self._begun = True
        return False
