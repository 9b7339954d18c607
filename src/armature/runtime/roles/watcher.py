"""The role that runs what modules do by themselves (`background.py`): one process at a time runs each, by lease."""

from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from armature.engine.watching import BackgroundRunner
from armature.kernel.failure import Failure
from armature.ports.database import Bound
from armature.runtime.roles.rhythm import Rhythm
from armature.runtime.roles.turn import Turn

__all__ = ["WatcherRole"]

# A stand-by looks so often at least, however long the work rests between its steps.
_LOOK_SECONDS_MAX = 1.0


class WatcherRole:
    """Runs the backgrounds of this process's modules, each in its own turn."""

    def __init__(self, runners: Sequence[tuple[BackgroundRunner, Turn]]) -> None:
        self._turns = [turn for _, turn in runners]
        self._loops = [
            Rhythm(f"watch {runner.name}", partial(_step, _Paced(runner), turn), min(runner.pause_seconds, _LOOK_SECONDS_MAX))
            for runner, turn in runners
        ]

    def start(self) -> None:
        """Begin to work, or to stand by."""
        for loop in self._loops:
            loop.start()

    async def stop(self) -> None:
        """Finish the steps in hand, and let another process go on at once."""
        for loop in self._loops:
            await loop.stop()
        for turn in self._turns:
            with suppress(Failure):  # it lapses by itself
                await turn.leave()

    def readiness(self) -> list[str]:
        """Return which background fails; empty when all is well, also while another process works."""
        return [loop.trouble for loop in self._loops if loop.trouble]


class _Paced:
    """Keeps the rests of a background that are longer than the looks of its lease: the lease goes on being renewed."""

    def __init__(self, runner: BackgroundRunner) -> None:
        self._runner = runner
        self._rounds_left = 0

    async def step(self, fence: Sequence[Bound]) -> bool:
        if self._rounds_left > 0:
            self._rounds_left -= 1
            return False
        more = await self._runner.step(fence)
        if not more:
            self._rounds_left = max(0, round(self._runner.pause_seconds / _LOOK_SECONDS_MAX) - 1)
        return more


async def _step(paced: _Paced, turn: Turn) -> bool:
    if not await turn.taken():
        return False
    async with turn.kept():
        return await paced.step(turn.fence())
