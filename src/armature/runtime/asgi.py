"""The system as an ASGI application, for a server or a framework that somebody else runs.

    application = asgi()                                       # uvicorn main:application
    site = FastAPI(lifespan=application.lifespan); site.mount("/api", application)
    application = asgi(mounts={"/legacy": old_site})

Not part of `armature` itself: a module that imports the public face must not drag in the whole runtime.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from armature.edges.http.app import ASGI
from armature.runtime.model import load
from armature.runtime.process import System, open_system, project_root
from armature.runtime.project import load_project
from armature.runtime.wire import Given

__all__ = ["Application", "asgi"]


def asgi(
    root: Path | None = None,
    *,
    topology: str = "single",
    environment: str = "dev",
    flags: Mapping[str, str] | None = None,
    mounts: Mapping[str, ASGI] | None = None,
    given: Given | None = None,
) -> "Application":
    """Return the project at `root` (default: found upwards from the working folder) as an application; nothing opens yet.

    `flags` are those of the command line (`{"--data": "/var/lib/shop"}`); `mounts` are other applications by path. Their own
    lifespan events are theirs to run: whoever runs this application is asked for one lifespan, ours.
    """

    async def opened() -> System:
        model = load(
            project_root(Path.cwd()) if root is None else root,
            topology=topology,
            environment=environment,
            flags=dict(flags or {}),
            environ=os.environ,
        )
        others = tuple((mounts or {}).items())
        return await open_system(model, load_project(model.root), os.environ, given=given, mounts=others)

    return Application(opened)


class Application:
    """Opens the system when its host starts, or with the first request when the host says nothing of starting."""

    def __init__(self, opened: Callable[[], Awaitable[System]]) -> None:
        self._opened = opened
        self._opening = asyncio.Lock()
        self._system: System | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        system = self._system or await self.open()
        await system.app(scope, receive, send)

    async def open(self) -> System:
        """Open the system; a second call returns the open one."""
        async with self._opening:
            if self._system is None:
                self._system = await self._opened()
            return self._system

    async def close(self) -> None:
        """Close what is open; a second call does nothing, and a request after it opens anew."""
        async with self._opening:
            system, self._system = self._system, None
            if system is not None:
                await system.close()

    @asynccontextmanager
    async def lifespan(self, host: Any = None) -> AsyncIterator[None]:
        """Be open as long as the host lives: `FastAPI(lifespan=application.lifespan)`; mounted applications get no lifespan."""
        await self.open()
        try:
            yield
        finally:
            await self.close()

    async def _live(self, receive: Any, send: Any) -> None:
        await receive()
        try:
            await self.open()
        except Exception as refused:
            await send({"type": "lifespan.startup.failed", "message": str(refused)})
            raise
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.close()
        await send({"type": "lifespan.shutdown.complete"})
