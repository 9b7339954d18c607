"""Connecting to what a process can start without: a cache, a limiter, signals, a broker.

A process whose broker is away serves; a start waits a moment for them all together and goes on. What could not be reached is
asked again until it is there, and its port says `Unavailable` meanwhile, as it does whenever its server is away. A server of the
wrong kind is refused at the start; when it shows itself only later, it is logged and asked again.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Protocol

from armature.kernel.refusals import Unavailable

__all__ = ["Opened", "Reaching"]

log = logging.getLogger("armature.runtime")

# A start is to take less than two seconds, also when all of these are away.
_PATIENCE_SECONDS = 1.0
_AGAIN_SECONDS = 1.0


class Opened(Protocol):
    """What is connected and let go of."""

    async def open(self) -> None:
        """Connect."""
        ...

    async def close(self) -> None:
        """Let go."""
        ...


class Reaching:
    """Opens each port, now or as soon as its server is there. `ports` are named as in the environment (`bus`)."""

    def __init__(self, ports: Mapping[str, Opened]) -> None:
        self._ports = ports
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._started = False

    async def open(self) -> None:
        """Return when all are open or a moment has passed; raises what no later try would change."""
        for name, port in self._ports.items():
            self._tasks[name] = asyncio.create_task(self._reach(name, port), name=f"reach {name}")
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=_PATIENCE_SECONDS)
        self._started = True
        for name, task in self._tasks.items():
            if task.done():
                task.result()
            else:
                log.warning("%s is away: the process starts without it and goes on asking", name)

    async def close(self) -> None:
        """Stop asking, and let go of what was opened, the last first."""
        tasks, self._tasks = self._tasks, {}
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        for port in reversed(list(self._ports.values())):
            await port.close()

    async def _reach(self, name: str, port: Opened) -> None:
        while True:
            try:
                await port.open()
            except Unavailable:
                pass
            except Exception as error:
                if not self._started:
                    raise
                log.error("%s cannot be used: %s", name, error)
            else:
                if self._started:
                    log.info("%s is there now", name)
                return
            await asyncio.sleep(_AGAIN_SECONDS)
