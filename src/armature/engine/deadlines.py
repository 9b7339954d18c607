"""Ends runs that are late or that nobody waits for any more, without a timer for each call.

One sweep looks at everything that runs. A call that finishes in time has paid for two dictionary operations. A call whose unit
the database has in hand is left alone: from then on its verdict decides (laws 4). One that still waits for that is let go, and
its unit is dropped when the batch is formed: a database that stands still holds only those it is at work for.
"""

import asyncio
import time

from armature.engine.call import Call
from armature.kernel.refusals import DeadlineExceeded

__all__ = ["Deadlines", "ended"]


class Deadlines:
    """All calls of one process that are running now."""

    def __init__(self, sweep_seconds: float = 0.05) -> None:
        self._sweep_seconds = sweep_seconds
        self.running: dict[Call, asyncio.Task[object]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.expired = 0

    def start(self) -> None:
        """Begin to sweep on the running loop."""
        self._timer = asyncio.get_running_loop().call_later(self._sweep_seconds, self._sweep)

    def stop(self) -> None:
        """Sweep no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def enter(self, call: Call) -> None:
        """Watch a call from here on."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        # With the loop given: until Python 3.12 finding the running loop asks the system for the process id, each time.
        task = asyncio.current_task(self._loop)
        if task is not None:
            self.running[call] = task

    def leave(self, call: Call) -> None:
        """Watch it no more."""
        self.running.pop(call, None)

    def _sweep(self) -> None:
        now = time.monotonic()
        for call, task in list(self.running.items()):
            if (call.in_hand and call.phase == "commit") or (now < call.deadline and not call.gone):
                continue
            del self.running[call]
            self.expired += 1
            call.phase = "expired"
            task.cancel()
        self._timer = asyncio.get_running_loop().call_later(self._sweep_seconds, self._sweep)


def ended(call: Call) -> DeadlineExceeded:
    """Turn the sweep's cancellation into the caller's answer."""
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()
    call.phase = "done"
    return DeadlineExceeded()
