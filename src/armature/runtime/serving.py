"""The HTTP side of a process: the compiled operations, the platform's own pages, and what is mounted beside them."""

import asyncio
import importlib
import logging
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from armature.edges.http.answering import Finish
from armature.edges.http.app import Beyond, Doors, HttpApp, Line, Page
from armature.edges.http.docs_page import document_pages
from armature.edges.http.elsewhere import Calls, Elsewhere, Mount
from armature.edges.http.endpoint import Endpoint, Headers, PositionCodec, Response
from armature.edges.http.identity import DevelopmentIdentity
from armature.edges.http.openapi import openapi
from armature.edges.http.proxy import TrustedProxies
from armature.engine.log import AccessLog
from armature.engine.overload import OverloadGuard
from armature.engine.policies import Policies
from armature.runtime.problems import ModelError, Problem
from armature.runtime.project import Project, contracts_of
from armature.runtime.wire import Core

__all__ = ["Apps", "Health", "http_apps", "routes_of"]

log = logging.getLogger("armature.http")

_JSON = (b"content-type", b"application/json")


class Apps(msgspec.Struct, frozen=True):
    """What a process serves: to everybody, and to operators on a port of their own when the policy names one."""

    public: HttpApp
    admin: HttpApp | None


class Health:
    """What the process says of itself. Liveness asks nothing; readiness lists every reason not to send requests here."""

    def __init__(self) -> None:
        self.reasons: list[Callable[[], Sequence[str]]] = []
        self.leaving = False

    def missing(self) -> list[str]:
        """Return why this process is not ready; empty when it is."""
        if self.leaving:
            return ["leaving: the process was asked to stop"]
        return [reason for ask in self.reasons for reason in ask()]


class _Told:
    """Writes what the edge reports to the log."""

    def __init__(self, access: AccessLog) -> None:
        self._access = access

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


def http_apps(
    core: Core, health: Health, positions: PositionCodec, mounts: Sequence[Mount] = (), routes: Sequence[Any] = ()
) -> Apps:
    """Compile the applications of a process."""
    policies = core.model.policies
    http = policies.http
    endpoints = [Endpoint(one, positions, http.prefix.format(version=one.operation.version)) for one in core.pipelines]
    guard = OverloadGuard(running_max=http.running_max, waiting_max=http.waiting_max, retry_seconds=http.overload_retry_seconds)
    keys, deadlines, database = core.parts.keys, core.parts.deadlines, core.database
    core.instruments.watch_calls(lambda: guard.refused, lambda: keys.replays, lambda: deadlines.expired)
    core.instruments.watch_commits(lambda: database.commits, lambda: database.batches)
    doors = _doors(core, policies, guard)
    beyond: Beyond | None = Elsewhere(mounts, routes, Calls(core.pipelines, doors)) if mounts or routes else None
    health_pages = _health_pages(health)
    pages = {**health_pages, **_operator_pages(core)}
    for alias, path in http.aliases.items():
        for known in (health_pages, pages):
            if path in known:
                known[alias] = known[path]
    if http.admin_port is None:
        return Apps(HttpApp(endpoints, doors, pages=pages, beyond=beyond), None)
    return Apps(HttpApp(endpoints, doors, pages=health_pages, beyond=beyond), HttpApp([], doors, pages=pages))


def _doors(core: Core, policies: Policies, guard: OverloadGuard) -> Doors:
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
        _Told(access),
        core.telemetry.requests,
        http.error_details,
        access,
        TrustedProxies(http.trusted_proxies),
    )


def _health_pages(health: Health) -> dict[str, Page]:
    async def livez(sent: Headers) -> Response:
        return 200, [_JSON], b'{"status":"alive"}'

    async def readyz(sent: Headers) -> Response:
        missing = health.missing()
        body = msgspec.json.encode({"status": "ready" if not missing else "not ready", "missing": missing})
        return (503 if missing else 200), [_JSON], body

    return {"/livez": livez, "/readyz": readyz, "/health": readyz}


def _operator_pages(core: Core) -> dict[str, Page]:
    exposition = core.exposition()

    async def metrics(sent: Headers) -> Response:
        body, kind = await asyncio.to_thread(exposition.render, sent.get(b"accept", b"").decode("latin-1"))
        return 200, [(b"content-type", kind.encode())], body

    offers = [service for module in core.modules.values() for service in module.offers]
    contracts = [contract for service in offers for contract in contracts_of(service)]
    return {"/metrics": metrics, **document_pages(openapi(contracts, core.model.policies))}


def routes_of(project: Project) -> list[Any]:
    """Return the routes that modules define in their `http.py`."""
    found: list[Any] = []
    for module in project.modules:
        if not (module.folder / "http.py").exists():
            continue
        routes = getattr(importlib.import_module(f"{module.package}.http"), "routes", None)
        if not isinstance(routes, list):
            cure = 'write `routes = [Route("/path", endpoint)]` with names from armature.http'
            raise ModelError([Problem(f"modules/{module.name}/http.py", 0, "", "has no list `routes`", cure)])
        found += routes
    return found
