"""The HTTP side of a process: the compiled operations, the platform's own pages, and what is mounted beside them."""

import asyncio
import importlib
import logging
from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec

from armature.edges.http.answering import Finish
from armature.edges.http.app import Beyond, Doors, HttpApp, Line, Page
from armature.edges.http.docs_page import document_pages
from armature.edges.http.elsewhere import Calls, Elsewhere, Mount
from armature.edges.http.endpoint import Endpoint, Headers, PositionCodec, Response
from armature.edges.http.identity import DevelopmentIdentity
from armature.edges.http.openapi import openapi
from armature.edges.http.proxy import TrustedProxies
from armature.edges.http.sse import Feeds
from armature.engine.feeds import Live, OwnLog
from armature.engine.log import AccessLog
from armature.engine.overload import OverloadGuard
from armature.engine.positions import Passed
from armature.engine.remote_feed import RemoteFeed
from armature.engine.remote_operation import RemoteOperation
from armature.engine.served import Served
from armature.runtime.placing import served
from armature.runtime.problems import ModelError, Problem
from armature.runtime.project import contract_name
from armature.runtime.wire import Core

__all__ = ["Apps", "Face", "Health", "codec_of", "followed_over", "http_apps", "routes_of", "served_over"]

log = logging.getLogger("armature.http")

_JSON = (b"content-type", b"application/json")


class Apps(msgspec.Struct, frozen=True):
    """What a process serves: to everybody, and to operators on a port of their own when the policy names one."""

    public: HttpApp
    admin: HttpApp | None
    health: HttpApp
    """Health and metrics alone, for a process that takes no requests."""
    doors: Doors
    """What calls pass; other edges of the process use the same."""
    live: Live
    """What feeds are served from."""


class Health:
    """What the process says of itself. Liveness asks nothing; readiness lists every reason not to send requests here."""

    def __init__(self) -> None:
        self.reasons: list[Callable[[], Sequence[str]]] = []
        self.without: Callable[[], Sequence[str]] = tuple
        """What is away that the process does without: it is told, and leaves the process ready."""
        self.leaving = False

    def missing(self) -> list[str]:
        """Return why this process is not ready; empty when it is."""
        if self.leaving:
            return ["leaving: the process was asked to stop"]
        return [reason for ask in self.reasons for reason in ask()]


class Face(msgspec.Struct, frozen=True):
    """What an application needs beside the core: health, positions, whom to tell of failed calls, and what others bring."""

    health: Health
    positions: PositionCodec
    doubt: Callable[[], None]
    """Called when a call was refused for want of a server."""
    guard: OverloadGuard
    """How many calls run at once in this process, whichever way they came."""
    mounts: Sequence[Mount] = ()
    routes: Sequence[Any] = ()


class _Told:
    """Writes what the edge reports to the log."""

    def __init__(self, access: AccessLog, doubt: Callable[[], None]) -> None:
        self._access = access
        self.unavailable = doubt

    def crashed(self, operation: str, request_id: str, error: BaseException) -> None:
        log.error("%s failed", operation, exc_info=error, extra={"operation": operation, "request_id": request_id})

    def answered(self, line: Line) -> None:
        level = logging.ERROR if line.status >= 500 else logging.INFO
        fields = {
            "operation": line.operation,
            "request_id": line.request_id,
            "status": line.status,
            "seconds": round(line.seconds, 6),
            "client": line.client,
        }
        if held := self._access.held_back():
            fields["held_back"] = held
        log.log(level, "%s %s %d", line.method, line.path, line.status, extra=fields)


def http_apps(core: Core, face: Face) -> Apps:
    """Compile the applications of a process."""
    policies = core.model.policies
    http = policies.http
    pipelines, guard, codec = served_over(core, "http"), face.guard, codec_of(face)
    endpoints = [Endpoint(one, codec(one), http.prefix.format(version=one.operation.version)) for one in pipelines]
    keys, deadlines, database = core.parts.keys, core.parts.deadlines, core.database
    core.instruments.watch_calls(lambda: guard.refused, lambda: keys.replays, lambda: deadlines.expired)
    core.instruments.watch_commits(lambda: database.commits, lambda: database.batches)
    doors = _doors(core, guard, face.doubt)
    beyond: Beyond | None = Elsewhere(face.mounts, face.routes, Calls(pipelines, doors)) if face.mounts or face.routes else None
    live, feeds = _live(core), followed_over(core, "http")
    if feeds:
        beyond = Feeds([(one, http.prefix.format(version=one.operation.version)) for one in feeds], doors, live, beyond)
    health_pages, metrics = _health_pages(face.health), _metrics_page(core)
    pages = {**health_pages, **metrics, **_document_pages(core)}
    for alias, path in http.aliases.items():
        for known in (health_pages, pages):
            if path in known:
                known[alias] = known[path]
    health = HttpApp([], doors, pages={**health_pages, **metrics})
    if http.admin_port is None:
        return Apps(HttpApp(endpoints, doors, pages=pages, beyond=beyond), None, health, doors, live)
    public, admin = HttpApp(endpoints, doors, pages=health_pages, beyond=beyond), HttpApp([], doors, pages=pages)
    return Apps(public, admin, health, doors, live)


def codec_of(face: Face) -> Callable[[Served], PositionCodec]:
    """Return what finds the writer and reader of an operation's positions."""
    passed = Passed()

    def codec(one: Served) -> PositionCodec:
        # Positions of another process's log are that process's to write and to read.
        return passed if isinstance(one, RemoteOperation) else face.positions

    return codec


def served_over(core: Core, edge: Literal["http", "grpc"]) -> list[Served]:
    """Return what is served to callers over an edge: what lives here, and what no process with an edge of its own hosts."""
    return _over(core, edge, core.pipelines, core.neighbours.operations if core.neighbours is not None else ())


def followed_over(core: Core, edge: Literal["http", "grpc"]) -> list[Served]:
    """Return the feeds that are served to callers over an edge."""
    return _over(core, edge, core.feeds, core.neighbours.feeds if core.neighbours is not None else ())


def _over(core: Core, edge: Literal["http", "grpc"], here: Sequence[Served], remote: Sequence[RemoteOperation]) -> list[Served]:
    if edge not in core.seat.roles:
        return []
    there = _contracts_of(core, served(core.model, core.seat.name, [module.name for module in core.whole.modules], edge))
    return [*here, *(one for one in remote if one.operation.contract in there)]


def _live(core: Core) -> Live:
    elsewhere = {one.operation.full_name: RemoteFeed(one) for one in (core.neighbours.feeds if core.neighbours else ())}
    own = OwnLog(core.log, core.tidings.events)
    return Live(own, elsewhere, core.parts.sources.cursors, core.model.policies.http.streams_max)


def _contracts_of(core: Core, modules: Sequence[str]) -> set[str]:
    return {contract_name(one) for module in core.whole.modules if module.name in modules for one in module.contracts}


def _doors(core: Core, guard: OverloadGuard, doubt: Callable[[], None]) -> Doors:
    policies = core.model.policies
    http = policies.http
    access = AccessLog(policies.observe.access_log)
    return Doors(
        DevelopmentIdentity(policies.roles, believed=http.development_identity),
        Finish(
            origins=http.cors_origins,
            compress_bytes_min=http.compress_bytes_min,
            secure=core.model.environment.production,
        ),
        guard,
        core.tracer,
        _Told(access, doubt),
        core.telemetry.requests,
        http.error_details,
        access,
        TrustedProxies(http.trusted_proxies),
        core.parts.sources.now,
    )


def _health_pages(health: Health) -> dict[str, Page]:
    async def livez(sent: Headers) -> Response:
        return 200, [_JSON], b'{"status":"alive"}'

    async def readyz(sent: Headers) -> Response:
        missing = health.missing()
        told: dict[str, object] = {"status": "ready" if not missing else "not ready", "missing": missing}
        if without := health.without():
            told["without"] = list(without)
        body = msgspec.json.encode(told)
        return (503 if missing else 200), [_JSON], body

    return {"/livez": livez, "/readyz": readyz, "/health": readyz}


def _metrics_page(core: Core) -> dict[str, Page]:
    render = core.exposition()

    async def metrics(sent: Headers) -> Response:
        body, kind = await asyncio.to_thread(render, sent.get(b"accept", b"").decode("latin-1"))
        return 200, [(b"content-type", kind.encode())], body

    return {"/metrics": metrics}


def _document_pages(core: Core) -> dict[str, Page]:
    names = {one.operation.contract for one in served_over(core, "http")}
    contracts = [one for module in core.whole.modules for one in module.contracts if contract_name(one) in names]
    return document_pages(openapi(contracts, core.model.policies))


def routes_of(core: Core) -> list[Any]:
    """Return the routes that modules write themselves: the list in `http.py`, and what `build` made of what it was given."""
    found: list[Any] = []
    for loaded in core.hosted.modules:
        given = core.modules[loaded.name].routes
        found += given
        if not (loaded.folder / "http.py").exists():
            continue
        routes = getattr(importlib.import_module(f"{loaded.package}.http"), "routes", None)
        if isinstance(routes, list):
            found += routes
        elif not given:
            cure = 'write `routes = [Route("/path", endpoint)]` with names from armature.http'
            raise ModelError([Problem(f"modules/{loaded.name}/http.py", 0, "", "has no list `routes`", cure)])
    return found
