"""One process from start to end: open, serve, drain, close."""

import asyncio
import gc
import logging
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec import Struct, structs

from armature.edges.http.app import HttpApp
from armature.edges.http.elsewhere import Mount
from armature.edges.http.server import HttpServer
from armature.engine.positions import Positions
from armature.runtime.background import Background
from armature.runtime.model import Model
from armature.runtime.project import Project, load_project
from armature.runtime.secrets import resolve
from armature.runtime.serving import Apps, Health, http_apps, routes_of
from armature.runtime.wire import Core, Given, wire

__all__ = ["Listening", "System", "open_system", "project_root", "serve"]

log = logging.getLogger("armature")

_COLLECT_AT = (20_000, 20, 20)
"""New objects before the youngest are looked at, and how many such looks before the older ones are."""


class System(Struct):
    """A process that is ready to be called: its core, its applications, its health and its roles."""

    core: Core
    apps: Apps
    health: Health
    background: Background

    @property
    def app(self) -> HttpApp:
        """The application for everybody."""
        return self.apps.public

    async def close(self) -> None:
        """Stop the roles, then let go of everything."""
        await self.background.stop()
        await self.core.close()


async def open_system(
    model: Model, project: Project, environ: Mapping[str, str], *, given: Given | None = None, mounts: tuple[Mount, ...] = ()
) -> System:
    """Open a process without listening: what `armature run`, an embedding application and tests have in common."""
    key = resolve(model, environ)["keys.cursor"].reveal()
    core = await wire(model, project, key, given)
    health = Health()
    try:
        positions = Positions(await core.log.identity(), key)
        apps = http_apps(core, health, positions, mounts, routes_of(project))
        background = Background(core)
        health.reasons.append(background.readiness)
        system = System(core, apps, health, background)
    except BaseException:
        await core.close()
        raise
    try:
        await background.start()
    except BaseException:
        await system.close()
        raise
    return system


class Listening(Struct, frozen=True):
    """Where a process can be reached, once it can."""

    public: HttpServer
    admin: HttpServer | None
    seconds: float
    """What the start took."""


async def serve(
    model: Model, environ: Mapping[str, str], announce: Callable[[Listening], None], *, given: Given | None = None
) -> None:
    """Run until SIGTERM or SIGINT; a second signal stops at once."""
    began = time.perf_counter()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    system = await open_system(model, load_project(model.root), environ, given=given)
    http = model.policies.http
    server = HttpServer(system.app, http)
    admin = None
    if system.apps.admin is not None and http.admin_port is not None:
        admin = HttpServer(system.apps.admin, structs.replace(http, port=http.admin_port))
    try:
        await server.start()
        if admin is not None:
            await admin.start()
        _settle_memory()
        announce(Listening(server, admin, time.perf_counter() - began))
        await stop.wait()
        await _leave(system, server, model)
    finally:
        # Operators watch a leaving process until its end.
        if admin is not None:
            await admin.stop()
        await server.stop()
        await system.close()


def _settle_memory() -> None:
    """Take what the start made out of the collector's sight, and let it look less often.

    Classes, plans and compiled operations live as long as the process; walking over them again and again finds nothing. Calls
    leave no cycles behind in the ordinary case, so a look at every 700 new objects is paid for by each and needed by none.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT_AT)


async def _leave(system: System, server: HttpServer, model: Model) -> None:
    """Say so first, wait until routers look away, then finish what was accepted (reliability e17)."""
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().remove_signal_handler(number)
    system.health.leaving = True
    notice = model.policies.http.drain_notice_seconds
    if notice:
        log.info("leaving: readiness says so, requests are still taken for %g s", notice)
        await asyncio.sleep(notice)
    cut = await server.drain()
    if cut:
        log.warning("%d requests were cut after %g s", cut, model.policies.http.drain_seconds)


def project_root(start: Path) -> Path:
    """Return the nearest folder upwards that has `modules/`; the start itself when none has."""
    for folder in (start, *start.parents):
        if (folder / "modules").is_dir():
            return folder
    return start
