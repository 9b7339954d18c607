"""What is served beside the operations: mounted applications, and the routes that modules write themselves.

A route of a module is for what a contract cannot say (an upload, a download, a page). It comes to operations as every caller
does, through the pipeline, with the identity, tenant and deadline of its request.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from time import monotonic
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.routing import BaseRoute, Match, Route

from armature.edges.http.app import ASGI, Doors, Receive, Send
from armature.edges.http.refusals import MethodNotAllowed
from armature.edges.http.said_once import headers_of
from armature.engine.call import NOBODY
from armature.engine.ids import request_ids
from armature.engine.overload import Overloaded as NoTurn
from armature.engine.served import Served
from armature.kernel.refusals import Overloaded
from armature.kernel.wakeups import Wakeups

__all__ = ["Calls", "Elsewhere", "Mount", "call", "wait"]

T = TypeVar("T")

Mount = tuple[str, ASGI]
"""A path and the ASGI application that serves everything below it."""

_CALLS = "armature.calls"


async def call(request: Request, operation: str, **arguments: Any) -> Any:
    """Call an operation (`counter.get`) in the name of whoever sent the request; return its result.

    A refusal that the route does not catch becomes the answer, as a problem.
    """
    return await _calls_of(request).call(request.scope, operation, arguments)


async def wait(
    request: Request, wakeups: Wakeups, key: str, look: Callable[[], Awaitable[T | None]], *, seconds: float
) -> T | None:
    """Wait until `look` returns something, woken by `wakeups` of the caller's tenant; None when `seconds` are over.

    Between two looks nothing is held: neither a turn of the overload guard nor a connection to the database.
    """
    tenant = _calls_of(request).tenant(request.scope)
    return await wakeups.wait(tenant, key, look, monotonic() + seconds)


def _calls_of(request: Request) -> "Calls":
    calls: Calls | None = request.scope.get(_CALLS)
    if calls is None:
        raise LookupError("armature.http works in the routes of a module's http.py, with the request they were given")
    return calls


class Calls:
    """Operations by name, for routes."""

    def __init__(self, pipelines: Sequence[Served], doors: Doors) -> None:
        self._pipelines = {one.operation.full_name: one for one in pipelines}
        self._doors = doors
        self._request_id = request_ids()

    def tenant(self, scope: Any) -> str:
        """Return whose data the sender of a request may see."""
        return self._doors.identity.find(headers_of(scope["headers"]))[1]

    async def call(self, scope: Any, operation: str, arguments: Mapping[str, Any]) -> Any:
        """Authorise, limit, wait for a turn and run, as a request to the operation's own path would."""
        pipeline = self._pipelines.get(operation)
        if pipeline is None:
            raise LookupError(f"no operation is called {operation!r}; known are {sorted(self._pipelines)}")
        identity, tenant = self._doors.identity.find(headers_of(scope["headers"]))
        made = pipeline.new_call(tenant, identity, self._request_id())
        if identity is NOBODY:
            made.address = self._doors.address(scope)
        pipeline.authorise(made)
        await pipeline.limit(made)
        guard = self._doors.guard
        try:
            if not guard.try_enter():
                await guard.wait(made.deadline)
        except NoTurn as full:
            raise Overloaded(retry_after_seconds=full.retry_after) from None
        try:
            answer = await pipeline.run(made, pipeline.arguments.from_values(arguments), "route", ())
        finally:
            guard.leave()
        return answer.result


class Elsewhere:
    """Finds the application or the route of a path; longer mount paths win over shorter ones."""

    def __init__(self, mounts: Sequence[Mount], routes: Sequence[BaseRoute], calls: Calls) -> None:
        for prefix, _ in mounts:
            if not prefix.startswith("/") or prefix.endswith("/"):
                raise ValueError(f"a mount's path begins with a slash and does not end with one, as /legacy; got {prefix!r}")
        self._mounts = sorted(mounts, key=lambda mount: -len(mount[0]))
        self._routes = list(routes)
        self._calls = calls

    def find(self, scope: Any, path: str) -> ASGI | None:
        """Return who answers; a path that only takes other methods is answered with a refusal that names them."""
        for prefix, app in self._mounts:
            if path == prefix or path.startswith(prefix + "/"):
                # As Starlette's Mount: `path` stays whole, `root_path` says how much of it is not the application's.
                inner = {**scope, "root_path": scope.get("root_path", "") + prefix}
                return _with_scope(app, inner)
        allowed: set[str] = set()
        for route in self._routes:
            match, child = route.matches(scope)
            if match is Match.FULL:
                return _with_scope(route.handle, {**scope, **child, _CALLS: self._calls})
            if match is Match.PARTIAL and isinstance(route, Route):
                allowed |= route.methods or set()
        return _refusing(allowed) if allowed else None


def _with_scope(app: ASGI, scope: Any) -> ASGI:
    async def handle(_: Any, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)

    return handle


def _refusing(allowed: set[str]) -> ASGI:
    async def handle(scope: Any, receive: Receive, send: Send) -> None:
        raise MethodNotAllowed(allowed=sorted(allowed))

    return handle
