"""Calls that came without their message. Each has a place among `grpc.calls_max`; who sends nothing more could take all of them,
unknown as he is, and keep them."""

import asyncio
import time
from typing import Any

from grpc import aio

from armature.kernel.refusals import DeadlineExceeded, Malformed

__all__ = ["Unheard"]


class Unheard:
    """The calls of a process whose message is on its way; after `seconds` the task of one that still has none is cancelled."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._waiting: dict[Any, tuple[float, asyncio.Task[object] | None]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def message(self, context: Any) -> Any:
        """Return what a caller sent; one who sends nothing in time, or nothing at all, is refused."""
        self._enter(context)
        try:
            data = await context.read()
        except asyncio.CancelledError:
            if context in self._waiting:
                raise  # the caller has left
            task = asyncio.current_task(self._loop)
            if task is not None:
                task.uncancel()
            raise DeadlineExceeded from None
        finally:
            self._waiting.pop(context, None)
        if data is aio.EOF:
            raise Malformed(reason="it has no message")
        return data

    def _enter(self, context: Any) -> None:
        now = time.monotonic()
        if self._timer is None:
            self._loop = asyncio.get_running_loop()
            self._timer = self._loop.call_later(self._seconds, self._sweep)
        self._waiting[context] = now + self._seconds, asyncio.current_task(self._loop)

    def _sweep(self) -> None:
        assert self._loop is not None
        now, self._timer = time.monotonic(), None
        for call, (until, task) in list(self._waiting.items()):  # the oldest first
            if now < until:
                self._timer = self._loop.call_later(until - now, self._sweep)
                return
            del self._waiting[call]
            if task is not None:
                task.cancel()
