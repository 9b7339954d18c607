"""The HTTP side of a process: the compiled operations, the platform's own pages, and what is mounted beside them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from armature.adapters.prometheus.metrics import Exposition
from armature.edges.http.answering import Finish
from armature.edges.http.app import Doors, HttpApp, Line, Page
from armature.edges.http.endpoint import Endpoint, Headers, PositionCodec, Response
from armature.edges.http.identity import DevelopmentIdentity
from armature.engine.overload import OverloadGuard
from armature.engine.policies import HttpPolicy, Policies
from armature.runtime.wire import Core

__all__ = ["Health", "Mount", "http_app"]

log = logging.getLogger("armature.http")

_LOG_FROM = {"all": 0, "errors": 500, "none": 1_000}
_JSON = (b"content-type", b"application/json")

Mount = tuple[str, Any]
"""A path and the ASGI application that serves everything below it."""

ASGI = Callable[[Any, Any, Any], Awaitable[None]]


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

    def crashed(self, operation: str, request_id: str, error: BaseException) -> None:
        log.error("%s failed", operation, exc_info=error, extra={"operation": operation, "request_id": request_id})

    def answered(self, line: Line) -> None:
        level = logging.ERROR if line.status >= 500 else logging.INFO
        fields = {
            "operation": line.operation,
            "request_id": line.request_id,
            "status": line.status,
            "seconds": round(line.seconds, 6),
        }
        log.log(level, "%s %s %d", line.method, line.path, line.status, extra=fields)


def http_app(core: Core, health: Health, positions: PositionCodec, mounts: Sequence[Mount] = ()) -> HttpApp:
    """Compile the application of a process."""
    policies = core.model.policies
    http = policies.http
    endpoints = [Endpoint(one, positions, http.prefix.format(version=one.operation.version)) for one in core.pipelines]
    guard = OverloadGuard(running_max=http.running_max, waiting_max=http.waiting_max, retry_seconds=http.overload_retry_seconds)
    keys, deadlines, database = core.parts.keys, core.parts.deadlines, core.database
    core.instruments.watch_calls(lambda: guard.refused, lambda: keys.replays, lambda: deadlines.expired)
    core.instruments.watch_commits(lambda: database.commits, lambda: database.batches)
    doors = _doors(core, policies, guard)
    return HttpApp(endpoints, doors, pages=_pages(core, health, http), beyond=_beyond(mounts) if mounts else None)


def _doors(core: Core, policies: Policies, guard: OverloadGuard) -> Doors:
    http = policies.http
    return Doors(
        DevelopmentIdentity(policies.roles, believed=http.development_identity),
        Finish(
            origins=http.cors_origins,
            compress_bytes_min=http.compress_bytes_min,
            secure=core.model.environment.production,
        ),
        guard,
        core.tracer,
        _Told(),
        core.telemetry.requests,
        http.error_details,
        _LOG_FROM[policies.observe.access_log],
    )


def _pages(core: Core, health: Health, http: HttpPolicy) -> dict[str, Page]:
    exposition = Exposition(core.telemetry)

    async def livez(sent: Headers) -> Response:
        return 200, [_JSON], b'{"status":"alive"}'

    async def readyz(sent: Headers) -> Response:
        missing = health.missing()
        body = msgspec.json.encode({"status": "ready" if not missing else "not ready", "missing": missing})
        return (503 if missing else 200), [_JSON], body

    async def metrics(sent: Headers) -> Response:
        body, kind = await asyncio.to_thread(exposition.render, sent.get(b"accept", b"").decode("latin-1"))
        return 200, [(b"content-type", kind.encode())], body

    pages: dict[str, Page] = {"/livez": livez, "/readyz": readyz, "/health": readyz, "/metrics": metrics}
    pages.update((alias, pages[path]) for alias, path in http.aliases.items() if path in pages)
    return pages


def _beyond(mounts: Sequence[Mount]) -> ASGI:
    """Hand a request to the application whose path it begins with, as Starlette's Mount would: root_path grows."""

    async def handle(scope: Any, receive: Any, send: Any) -> None:
        for prefix, app in mounts:
            path: str = scope["path"]
            if path == prefix or path.startswith(prefix + "/"):
                await app({**scope, "root_path": scope.get("root_path", "") + prefix}, receive, send)
                return
        raise LookupError(scope["path"])

    return handle
