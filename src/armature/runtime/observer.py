"""Looks after the servers a process depends on: each is asked now and then, and at once when a call has failed.

While one that the process cannot do without is away, `/readyz` says so and why; the process itself goes on, and is ready
again within seconds of the server's return. One that it can do without (a cache) is a gauge and a line in the log.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

from msgspec import Struct

from armature.engine.meters import Labels
from armature.kernel.failure import Failure
from armature.kernel.refusals import Unavailable

__all__ = ["Dependency", "Observer"]

log = logging.getLogger("armature.observer")

# A server that needs longer for its smallest question is of no use; and readiness must turn within two seconds of a failed call.
_PROBE_SECONDS = 1.5
# How often one that is away is asked: what is back is to be ready within five seconds.
_AWAY_SECONDS = 1.0


class Dependency(Struct, frozen=True):
    """A server: its port's name, the smallest question to it, and whether the process is of use without it."""

    name: str
    probe: Callable[[], Awaitable[object]]
    critical: bool = True


class Observer:
    """Asks each dependency every `every_seconds`. `lost` is called once each time a critical one goes away."""

    def __init__(
        self, dependencies: Sequence[Dependency], every_seconds: float, lost: Callable[[str], None] = lambda reason: None
    ) -> None:
        self._watches = [_Watch(one, every_seconds, lost) for one in dependencies]

    def start(self) -> None:
        """Begin to ask."""
        for watch in self._watches:
            watch.start()

    async def stop(self) -> None:
        """Stop asking."""
        for watch in self._watches:
            await watch.stop()

    def doubt(self) -> None:
        """Say that a call failed for want of a server: all are asked now."""
        for watch in self._watches:
            watch.doubted.set()

    def readiness(self) -> list[str]:
        """Return what is away and why; empty when everything critical is there."""
        return [reason for watch in self._watches if watch.dependency.critical and (reason := watch.doubtful)]

    def wanting(self) -> list[str]:
        """Return what is away that the process can do without, and why."""
        return [watch.reason for watch in self._watches if watch.reason and not watch.dependency.critical]

    def states(self) -> Mapping[Labels, float]:
        """Return 1 for each dependency that answered last time, 0 for one that did not."""
        return {(watch.dependency.name,): 0.0 if watch.reason else 1.0 for watch in self._watches}


class _Watch:
    def __init__(self, dependency: Dependency, every_seconds: float, lost: Callable[[str], None]) -> None:
        self.dependency = dependency
        self.reason = ""
        self.doubted = asyncio.Event()
        self._every = every_seconds
        self._lost = lost
        self._asked = False
        self._task: asyncio.Task[None] | None = None

    @property
    def doubtful(self) -> str:
        """Why nobody should rely on the server: it did not answer, or was not asked yet."""
        return self.reason or ("" if self._asked else f"{self.dependency.name}: it was not asked yet")

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"observer {self.dependency.name}")

    async def stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            self._tell(await self._ask())
            if self._task is None:  # a probe's library may have swallowed that we are to end
                return
            try:
                async with asyncio.timeout(min(_AWAY_SECONDS, self._every) if self.reason else self._every):
                    await self.doubted.wait()
            except TimeoutError:
                continue
            finally:
                self.doubted.clear()

    async def _ask(self) -> str:
        """Return why the server cannot be used; empty when it can."""
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                await self.dependency.probe()
        except TimeoutError:
            return f"{self.dependency.name}: no answer within {_PROBE_SECONDS:g} s"
        except Exception as error:
            return f"{self.dependency.name}: {_why(self.dependency.name, error)}"
        return ""

    def _tell(self, reason: str) -> None:
        before, self.reason, self._asked = self.reason, reason, True
        if reason and not before:
            log.warning("%s is away: %s", self.dependency.name, reason.removeprefix(f"{self.dependency.name}: "))
            if self.dependency.critical:
                self._lost(reason)
        elif before and not reason:
            log.info("%s is back", self.dependency.name)


def _why(name: str, error: Exception) -> str:
    """What is wrong with a server, without saying again whose trouble it is."""
    if not isinstance(error, Unavailable):
        return str(error) if isinstance(error, Failure) else f"{type(error).__name__}: {error}"
    whose, _, said = error.what.partition(": ")
    return said if said and whose.replace("'", "") == name else error.what
