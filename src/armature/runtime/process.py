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
from armature.engine.delivery_log import DeliveryLog
from armature.engine.feeds import OwnLog
from armature.engine.overload import OverloadGuard
from armature.engine.positions import Passed
from armature.engine.remote_message import Seal
from armature.runtime.addresses import resolve_addresses
from armature.runtime.background import Background
from armature.runtime.grpc_serving import GrpcListener, grpc_serving
from armature.runtime.joining import join, positions_of
from armature.runtime.model import Model
from armature.runtime.project import Project, load_project
from armature.runtime.roles.neighbour import Answers, NeighbourRole, answering
from armature.runtime.seat import seat_of
from armature.runtime.secrets import resolve
from armature.runtime.serving import Apps, Face, Health, http_apps, routes_of
from armature.runtime.wire import Core, Given, Place, wire

__all__ = ["Listening", "LostServer", "Part", "System", "open_system", "project_root", "serve", "settle_memory"]

log = logging.getLogger("armature")

_COLLECT_AT = (20_000, 20, 20)
"""New objects before the youngest are looked at, and how many such looks before the older ones are."""


class System(Struct):
    """A process that is ready to be called: its core, its applications, its health and its roles."""

    core: Core
    apps: Apps
    health: Health
    background: Background
    answering: NeighbourRole | None = None
    """What answers other processes; None without role neighbour."""
    grpc: GrpcListener | None = None
    """What answers calls over gRPC; None without role grpc."""

    @property
    def app(self) -> HttpApp:
        """The application for everybody."""
        return self.apps.public

    async def close(self) -> None:
        """Finish what others asked, stop the roles, then let go of everything."""
        if self.answering is not None:
            await self.answering.leave()
        await self.background.stop()
        await self.core.close()


class Part(Struct, frozen=True):
    """Which process of the topology to be, and whom to tell when a server it needs has gone away."""

    process: str | None = None
    """None: all of the topology in one."""
    lost: Callable[[str], None] = lambda reason: None


async def open_system(
    model: Model,
    project: Project,
    environ: Mapping[str, str],
    *,
    given: Given | None = None,
    mounts: tuple[Mount, ...] = (),
    part: Part | None = None,
) -> System:
    """Open a process without listening: what `armature run`, an embedding application and tests have in common."""
    part = part or Part()
    seat = seat_of(model, part.process)
    model = model.on(seat.home)
    addresses = resolve_addresses(model, environ)
    key = resolve(model, environ)["keys.cursor"].reveal()
    place = Place(seat, addresses, key)
    core = await wire(model, project, place, given)
    health = Health()
    try:
        await join(core, place)
        own = await positions_of(core, key) if core.grounded else None
        background = Background(core, part.lost)
        health.reasons.append(background.readiness)
        health.without = background.observer.wanting
        face = Face(health, own or Passed(), background.observer.doubt, _guard(model), mounts, routes_of(core))
        system = System(core, http_apps(core, face), health, background)
        system.grpc = grpc_serving(core, system.apps, face)
        if core.links is not None and own is not None and "neighbour" in core.seat.roles:
            log, source = DeliveryLog(core.database, core.model.archive_path), OwnLog(core.log, core.tidings.events)
            repeatable = model.environment.neighbours.transport == "nats"
            wall, heard = core.parts.sources.wall, core.parts.sources.answering
            seal = Seal(key, model.installation, wall)
            answers = Answers(seal, repeatable, wall, own, face.guard, log, source, core.tracer, heard, health.missing)
            modules = [module.name for module in core.hosted.modules]
            system.answering = answering(core.links, modules, core.pipelines, core.feeds, answers)
            health.reasons.append(system.answering.readiness)
    except BaseException:
        await core.close()
        raise
    try:
        await background.start()
        if system.answering is not None:
            await system.answering.start()
    except BaseException:
        await system.close()
        raise
    return system


def _guard(model: Model) -> OverloadGuard:
    http = model.policies.http
    return OverloadGuard(running_max=http.running_max, waiting_max=http.waiting_max, retry_seconds=http.overload_retry_seconds)


class Listening(Struct, frozen=True):
    """Where a process can be reached, once it can."""

    public: HttpServer
    """Its requests; of a process without role http, its health alone."""
    admin: HttpServer | None
    seconds: float
    """What the start took."""
    grpc: str | None = None
    """Where calls over gRPC are taken; None without role grpc."""


class LostServer(Exception):
    """A server the process cannot do without is away, and its topology says `on_loss: exit`."""


async def serve(
    model: Model,
    environ: Mapping[str, str],
    announce: Callable[[Listening], None],
    *,
    given: Given | None = None,
    process: str | None = None,
) -> None:
    """Run until SIGTERM or SIGINT; a second signal stops at once. Raises `LostServer` where `on_loss` is `exit`."""
    began = time.perf_counter()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    lost: list[str] = []

    def gone(reason: str) -> None:
        if seat_of(model, process).on_loss == "exit":
            lost.append(reason)
            stop.set()

    system = await open_system(model, load_project(model.root), environ, given=given, part=Part(process, gone))
    server, admin = _listeners(system, model)
    try:
        await server.start()
        if admin is not None:
            await admin.start()
        if system.grpc is not None:
            await system.grpc.start()
        settle_memory()
        announce(Listening(server, admin, time.perf_counter() - began, system.grpc.address if system.grpc else None))
        await stop.wait()
        await _leave(system, server, model)
    finally:
        # Operators watch a leaving process until its end.
        if admin is not None:
            await admin.stop()
        if system.grpc is not None:
            await system.grpc.stop()
        await server.stop()
        await system.close()
    if lost:
        raise LostServer(lost[0])


def _listeners(system: System, model: Model) -> tuple[HttpServer, HttpServer | None]:
    http = model.policies.http
    if "http" not in system.core.seat.roles:
        # Nobody is to send requests here; who looks after the process asks for its health and its metrics.
        return HttpServer(system.apps.health, structs.replace(http, port=http.health_port)), None
    server = HttpServer(system.app, http)
    if system.apps.admin is None or http.admin_port is None:
        return server, None
    return server, HttpServer(system.apps.admin, structs.replace(http, port=http.admin_port))


def settle_memory() -> None:
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
    # Both at once: they share the calls that run, and the time that these may take.
    cut, lost = await asyncio.gather(server.drain(), _drain_grpc(system, model.policies.http.drain_seconds))
    cut += lost
    if system.answering is not None:
        await system.answering.leave()
    if cut:
        log.warning("%d requests were cut after %g s", cut, model.policies.http.drain_seconds)


async def _drain_grpc(system: System, seconds: float) -> int:
    return await system.grpc.drain(seconds) if system.grpc is not None else 0


def project_root(start: Path) -> Path:
    """Return the nearest folder upwards that has `modules/`; the start itself when none has."""
    for folder in (start, *start.parents):
        if (folder / "modules").is_dir():
            return folder
    return start
