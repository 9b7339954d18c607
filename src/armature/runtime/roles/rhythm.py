"""How a background role keeps going: a step, a pause, and what to do when a step fails.

A role never dies of a failed step: it says so once, waits a little longer each time, and shows the reason in readiness until
a step succeeds again. Stopping lets the step in hand finish, so that nothing is cut that was begun.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from time import monotonic

from armature.kernel.failure import Failure

__all__ = ["Rhythm"]

log = logging.getLogger("armature.role")

_PAUSE_SECONDS_MAX = 10.0
# Where nobody tells a role of work, it finds what comes in a stream by looking again soon after it found some.
_BRISK_SECONDS = 0.005
_BRISK_SECONDS_MAX = 0.25
"""A look that long after the last find ends it: what is slow to come is waited for in the usual rhythm."""

_SHARE_SECONDS = 0.0004
_SHARE_SECONDS_MAX = 0.025
"""For each thing that a step has done it is waited so long, at most, before the next one. A step costs some 2 ms of processor
time however little it does; where more than 2,500 events a second come, as many share it as come in the longest pause."""


class Rhythm:
    """One loop of a role. `step` returns True while there is more to do; else it is run again after the pause or a `wake`."""

    def __init__(self, name: str, step: Callable[[], Awaitable[bool]], pause_seconds: float, linger_seconds: float = 0.0) -> None:
        self.name = name
        self.trouble = ""
        """Why the last step failed; empty when it did not."""
        self._step = step
        self._pause = self._next_pause = pause_seconds
        self._linger = linger_seconds
        self._told = False
        self._began = 0.0
        self._shared_until = 0.0
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=self.name)

    def wake(self) -> None:
        """Say that there is something to do. Cheap, and may be said any number of times."""
        self._wake.set()

    def stir(self, done: int) -> None:
        """Say that so many things were there to do: more is likely, so for half a second the pauses are short.

        Not when somebody has told of it, who will do so again. And where a step takes long, on a machine that has much to do,
        it rests as long as it worked; where a step did much, as that is worth: more shares the next one.
        """
        now, share = monotonic(), min(_SHARE_SECONDS_MAX, done * _SHARE_SECONDS)
        self._shared_until = now + share
        if not self._told:
            self._next_pause = min(self._pause, max(_BRISK_SECONDS, share, now - self._began))

    async def stop(self) -> None:
        """Finish the step in hand and end."""
        self._stopping.set()
        self._wake.set()
        if self._task is not None:
            await self._task
            self._task = None

    async def _run(self) -> None:
        failed = 0
        while not self._stopping.is_set():
            self._wake.clear()
            self._began = monotonic()
            try:
                busy = await self._step()
                failed, self.trouble = 0, ""
            except Exception as error:
                failed += 1
                busy = False
                self._tell(error, failed)
            if not busy:
                await self._rest(failed)

    async def _rest(self, failed: int) -> None:
        if failed:
            await _until(self._stopping, min(_PAUSE_SECONDS_MAX, self._pause * 2**failed))
            return
        pause = min(self._next_pause, self._pause)
        self._next_pause = pause * 2 if pause * 2 < _BRISK_SECONDS_MAX else self._pause
        self._told = await _until(self._wake, pause)
        if self._told and self._linger and not self._stopping.is_set():
            # What arrives in a moment shares the commit: a projector that follows every single event costs as many
            # syncs as the commands it follows.
            await _until(self._stopping, max(self._linger, self._shared_until - monotonic()))

    def _tell(self, error: Exception, failed: int) -> None:
        expected = isinstance(error, Failure)
        self.trouble = f"{self.name}: {error if expected else type(error).__name__}"
        if failed == 1:
            log.warning("%s failed and is tried again: %s", self.name, error, exc_info=None if expected else error)


async def _until(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False
