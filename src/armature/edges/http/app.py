"""The ASGI application: finds the endpoint, guards the door, turns failures into problems, counts and closes.

Raw ASGI on purpose: a no-op middleware costs more than reading a row. What is not an operation is answered by `pages`
(documents, health) and by `beyond` (mounted applications, a module's own routes).
"""

import re
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Protocol

import msgspec

from armature.edges.http.answering import Finish
from armature.edges.http.endpoint import Endpoint, Headers, Response
from armature.edges.http.identity import DevelopmentIdentity
from armature.edges.http.problem import PROBLEM_JSON, problem
from armature.edges.http.protocol_exchange import Exchange
from armature.edges.http.proxy import TrustedProxies
from armature.edges.http.refusals import MethodNotAllowed, NoSuchRoute
from armature.edges.http.routes import Routes, unsplit
from armature.edges.http.said_once import refuse_repeats
from armature.engine.call import NOBODY, Sources
from armature.engine.ids import request_ids
from armature.engine.log import AccessLog
from armature.engine.meters import RequestMeter
from armature.engine.overload import Overloaded as NoTurn
from armature.engine.overload import OverloadGuard
from armature.engine.trace import Tracer, trace_id_of
from armature.kernel.failure import Failure, Kind
from armature.kernel.refusals import Overloaded, PlatformRefusal

__all__ = ["ASGI", "Beyond", "Bug", "Doors", "Hooks", "HttpApp", "Line", "Page", "Receive", "Send"]

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
ASGI = Callable[[Any, Receive, Send], Awaitable[None]]
Page = Callable[[Headers], Awaitable[Response]]
"""A small answer of the platform's own: health, metrics, documents."""

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{8,64}")


class Bug(PlatformRefusal, kind=Kind.BUG, code="system:bug"):
    """Something went wrong in the server; the request id finds it in the log."""


class Hooks(Protocol):
    """Whom the edge tells what happened."""

    def crashed(self, operation: str, request_id: str, error: BaseException) -> None:
        """A bug answered 500."""
        ...

    def unavailable(self) -> None:
        """A call was refused because something it needs is away."""
        ...

    def answered(self, line: "Line") -> None:
        """A request has its answer; called only for what the access log wants."""
        ...


class Beyond(Protocol):
    """What is served beside the operations."""

    def find(self, scope: Any, path: str) -> ASGI | None:
        """Return who answers at the path, None when nobody does; `path` begins below the scope's root_path."""
        ...


class Line(msgspec.Struct, frozen=True):
    """What an access log may say of a request."""

    method: str
    path: str
    operation: str
    status: int
    seconds: float
    request_id: str
    trace: str | None
    client: str


class Served(msgspec.Struct):
    """An endpoint with what belongs to it in this application."""

    endpoint: Endpoint
    meter: RequestMeter
    span_name: str


class Doors(msgspec.Struct, frozen=True):
    """The parts the application is made of."""

    identity: DevelopmentIdentity
    finish: Finish
    guard: OverloadGuard
    tracer: Tracer
    hooks: Hooks
    meter: Callable[[str, str], RequestMeter]
    show_details: bool
    access: AccessLog
    """Which answers are told to the hooks."""
    proxies: TrustedProxies
    now: Callable[[], datetime] = Sources.utc_now

    def address(self, scope: Any) -> str:
        """Return where a request came from, as far as our own proxies vouch for it; empty on a socket without addresses."""
        client = scope.get("client")
        if not client:
            return ""
        forwarded = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
        return self.proxies.client_address(client[0], forwarded)


class HttpApp:
    """An ASGI 3 application over compiled endpoints."""

    def __init__(
        self,
        endpoints: list[Endpoint],
        doors: Doors,
        *,
        pages: Mapping[str, Page] | None = None,
        beyond: Beyond | None = None,
    ) -> None:
        self._doors = doors
        self._pages = dict(pages or {})
        self._beyond = beyond
        self._unmatched = doors.meter("GET", "unmatched")
        self._beyond_meter = doors.meter("GET", "beyond")
        self._page_meter = {path: doors.meter("GET", path) for path in self._pages}
        self._routes: Routes[Served] = Routes()
        self._request_id = request_ids()
        for endpoint in endpoints:
            method, template = endpoint.operation.method, endpoint.template
            served = Served(endpoint, doors.meter(method, template), f"{method} {template}")
            self._routes.add(method, template, served)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._socket(scope, receive, send)
            return
        began = time.perf_counter()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        method: str = scope["method"]
        path: str = scope["path"]
        raw: bytes = scope.get("raw_path") or b""
        if raw.find(b"%2") >= 0 and raw.lower().find(b"%2f") >= 0:
            path = unsplit(raw)
        if root := scope.get("root_path"):
            path = _below(path, root)
        found = self._routes.find(path)
        served = None
        if found is not None:
            served = found[0].get(method) or (found[0].get("GET") if method == "HEAD" else None)
        elif self._beyond is not None and path not in self._pages and (there := self._beyond.find(scope, path)):
            await self._elsewhere(there, scope, receive, send, headers)
            return
        request_id = self._named(headers)
        doors = self._doors
        if served is None:
            trace = None
            meter = self._page_meter.get(path, self._unmatched)
            response = await self._aside(scope, method, path, headers, found[0] if found else None, request_id)
        else:
            meter = served.meter
            span, trace = None, None
            if doors.tracer.enabled or b"traceparent" in headers:
                parent = headers.get(b"traceparent")
                span, trace = doors.tracer.enter(served.span_name, parent.decode("latin-1") if parent else None)
            response = await self._operation(served, scope, receive, headers, found[1] if found else [], (request_id, trace))
            if span is not None:
                span.attributes["http.response.status_code"] = response[0]
                span.end()
        status, out, body = response
        body = doors.finish.finish(status, out, body, headers, request_id.encode())
        exchange = getattr(send, "__self__", None)
        fixed = doors.finish.fixed
        if exchange.__class__ is not Exchange or not exchange.answer(status, out, fixed.lines, body):
            await send({"type": "http.response.start", "status": status, "headers": [*out, *fixed.headers]})
            await send({"type": "http.response.body", "body": body})
        seconds = time.perf_counter() - began
        meter.observe(status, seconds)
        # Who asks for readiness again and again is told each time; the log hears of it from whoever is missing.
        if status >= doors.access.threshold and (served is not None or path not in self._pages) and doors.access.wants():
            name = served.endpoint.operation.full_name if served else ""
            doors.hooks.answered(Line(method, path, name, status, seconds, request_id, trace, doors.address(scope)))

    def _named(self, headers: Headers) -> str:
        sent = headers.get(b"x-request-id")
        return sent.decode() if sent is not None and _REQUEST_ID.fullmatch(sent) else self._request_id()

    async def _elsewhere(self, there: ASGI, scope: Any, receive: Receive, send: Send, headers: Headers) -> None:
        """Hand over to somebody else's application; what it lets fall before its answer began becomes a problem of ours."""
        began = time.perf_counter()
        status = 0

        async def watched(message: Any) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await there(scope, receive, watched)
        except Exception as error:
            if not isinstance(error, Failure):
                self._doors.hooks.crashed(scope["path"], self._named(headers), error)
            if status:
                raise
            failure = error if isinstance(error, Failure) else Bug()
            status, out, body = self._refuse(failure, scope["path"], None)
            body = self._doors.finish.finish(status, out, body, headers, self._named(headers).encode())
            await send({"type": "http.response.start", "status": status, "headers": [*out, *self._doors.finish.fixed.headers]})
            await send({"type": "http.response.body", "body": body})
        finally:
            self._beyond_meter.observe(status or 500, time.perf_counter() - began)

    async def _socket(self, scope: Any, receive: Receive, send: Send) -> None:
        """Web sockets are taken by mounted applications only; elsewhere the handshake is refused (403 by the server)."""
        if scope["type"] != "websocket":
            raise ValueError(f"an ASGI scope of type {scope['type']!r}; armature.runtime.asgi answers lifespans")
        path = _below(scope["path"], scope.get("root_path") or "")
        there = self._beyond.find(scope, path) if self._beyond is not None else None
        if there is None:
            await send({"type": "websocket.close", "code": 1000})
        else:
            await there(scope, receive, send)

    async def _operation(
        self, served: Served, scope: Any, receive: Receive, headers: Headers, path: list[str], known_as: tuple[str, str | None]
    ) -> Response:
        """Answer a call of an operation; `known_as` is its request id and its trace."""
        request_id, trace = known_as
        doors = self._doors
        guard = doors.guard
        pipeline = served.endpoint.pipeline
        try:
            if len(headers) != len(scope["headers"]):
                refuse_repeats(scope["headers"])
            identity, tenant = doors.identity.find(headers)
            call = pipeline.new_call(tenant, identity, request_id)
            call.trace = trace
            if identity is NOBODY:
                call.address = doors.address(scope)
            if not guard.try_enter():
                await guard.wait(call.deadline)
            try:
                return await served.endpoint.respond(scope, receive, call, headers, path)
            finally:
                guard.leave()
        except Failure as failure:
            if failure.kind is Kind.UNAVAILABLE:
                doors.hooks.unavailable()
            return self._refuse(failure, scope["path"], trace)
        except NoTurn as full:
            return self._refuse(Overloaded(retry_after_seconds=full.retry_after), scope["path"], trace)
        except Exception as error:
            doors.hooks.crashed(pipeline.operation.full_name, request_id, error)
            details = f"{type(error).__name__}: {error}" if doors.show_details else None
            return self._refuse(Bug(), scope["path"], trace, details)

    async def _aside(
        self, scope: Any, method: str, path: str, headers: Headers, ends: Mapping[str, Served] | None, request_id: str
    ) -> Response:
        """Answer what is no operation: a page of the platform, a preflight, or a refusal."""
        if method == "OPTIONS":
            allowed = self._doors.finish.preflight(headers)
            if allowed is not None:
                return 204, allowed, b""
        page = self._pages.get(path)
        if page is not None and method in ("GET", "HEAD"):
            try:
                return await page(headers)
            except Exception as error:
                self._doors.hooks.crashed(path, request_id, error)
                return self._refuse(Bug(), path, None)
        if ends is not None or page is not None:
            methods = set(ends or ("GET",))
            allowed_methods = sorted(methods | {"HEAD"} if "GET" in methods else methods)
            return self._refuse(MethodNotAllowed(allowed=allowed_methods), scope["path"], None)
        return self._refuse(NoSuchRoute(), scope["path"], None)

    def _refuse(self, failure: Failure, path: str, trace: str | None, details: str | None = None) -> Response:
        made = problem(failure, instance=path, trace_id=trace_id_of(trace), details=details, at=self._doors.now())
        return made.status, [(b"content-type", PROBLEM_JSON), *made.headers], made.body


def _below(path: str, root: str) -> str:
    """The part of the path that is ours, when we are mounted at `root` (ASGI: `path` holds both)."""
    if root and path.startswith(root) and path[len(root) : len(root) + 1] in ("", "/"):
        return path[len(root) :] or "/"
    return path
