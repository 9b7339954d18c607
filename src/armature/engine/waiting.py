"""Waiting until something is so, woken by signals: subscribe, then look, then wait, and look again after each signal.

Who looks first and subscribes afterwards sleeps through the signal in between. Signals are best effort, so there is a slow look
without one too: a lost signal delays, and nothing else. Works over nodes as far as the signal adapter does.

    found = await waiter.wait(tenant, key, look, deadline)      # look: an async function; None means "not yet"
    await waiter.wake(tenant, key)                              # on any node
"""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TypeVar

from armature.engine.names import signal_subject
from armature.kernel.refusals import Unavailable
from armature.ports.signal import Listener, Signal

__all__ = ["Waiter"]

T = TypeVar("T")

_LOOK_SECONDS = 2.0
# One that is woken asks nothing of the payloads, only that there was one.
_BACKLOG = 1


class Waiter:
    """Waits and wakes for one module of an installation; `tenant` keeps what tenants wait for apart (I27)."""

    def __init__(self, signal: Signal, installation: str, module: str, *, look_seconds: float = _LOOK_SECONDS) -> None:
        self._signal = signal
        self._installation = installation
        self._module = module
        self._look_seconds = look_seconds

    async def wait(self, tenant: str, key: str, look: Callable[[], Awaitable[T | None]], deadline: float) -> T | None:
        """Return what `look` returns as soon as it is not None; None when `deadline` (seconds of `monotonic`) has passed."""
        listener = await self._listen(tenant, key)
        try:
            while True:
                found = await look()
                left = deadline - monotonic()
                if found is not None or left <= 0:
                    return found
                pause = min(left, self._look_seconds)
                if listener is not None:
                    await listener.next(pause)
                else:
                    await asyncio.sleep(pause)
                    listener = await self._listen(tenant, key)
        finally:
            if listener is not None:
                await listener.close()

    async def wake(self, tenant: str, key: str) -> None:
        """Make everybody look who waits for this now. A signal that cannot be sent only delays them."""
        try:
            await self._signal.send(self._subject(tenant, key))
        except Unavailable:
            return

    async def _listen(self, tenant: str, key: str) -> Listener | None:
        try:
            return await self._signal.listen(self._subject(tenant, key), backlog=_BACKLOG)
        except Unavailable:
            return None  # it is looked slowly until signals are back

    def _subject(self, tenant: str, key: str) -> str:
        return signal_subject(self._installation, tenant, self._module, key)
