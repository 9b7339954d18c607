"""Requests straight into an ASGI application: everything the edge does happens, only the socket is missing."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote, unquote

import msgspec
from msgspec import Struct

from armature.testing.answer import Response

__all__ = ["Client", "Who"]

_AS_THEY_ARE = "/?&=%:@!$'()*+,;~"
"""What a path in a test may hold unencoded and means as it stands (RFC 3986); all else is percent-encoded."""

Asgi = Callable[[Any, Any, Any], Awaitable[None]]


class Who(Struct, frozen=True):
    """Who sends a request, in the words of development: no actor is the developer, who may do everything."""

    tenant: str | None = None
    actor: str | None = None
    """`none` is a caller whom nobody knows."""
    roles: str | None = None
    """Names from `platform/policies.yaml`, by commas."""

    def headers(self) -> dict[str, str]:
        """Return the headers that say so."""
        said = {"x-tenant-id": self.tenant, "x-actor": self.actor, "x-roles": self.roles}
        return {name: value for name, value in said.items() if value is not None}


class Client:
    """The verbs of HTTP on one application. `path` may carry a query string; `json` is any plain value or struct."""

    def __init__(self) -> None:
        self.asgi: Asgi = _closed

    async def get(
        self,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        tenant: str | None = None,
        actor: str | None = None,
        roles: str | None = None,
    ) -> Response:
        """Read."""
        return await self.request("GET", path, headers={**(headers or {}), **Who(tenant, actor, roles).headers()})

    async def post(
        self,
        path: str,
        *,
        json: Any = msgspec.UNSET,
        headers: Mapping[str, str] | None = None,
        tenant: str | None = None,
        actor: str | None = None,
        roles: str | None = None,
    ) -> Response:
        """Create or do; without `json` there is no body."""
        return await self._send("POST", path, json, headers, Who(tenant, actor, roles))

    async def put(
        self,
        path: str,
        *,
        json: Any = msgspec.UNSET,
        headers: Mapping[str, str] | None = None,
        tenant: str | None = None,
        actor: str | None = None,
        roles: str | None = None,
    ) -> Response:
        """Replace."""
        return await self._send("PUT", path, json, headers, Who(tenant, actor, roles))

    async def patch(
        self,
        path: str,
        *,
        json: Any = msgspec.UNSET,
        headers: Mapping[str, str] | None = None,
        tenant: str | None = None,
        actor: str | None = None,
        roles: str | None = None,
    ) -> Response:
        """Change what is sent, keep what is absent."""
        return await self._send("PATCH", path, json, headers, Who(tenant, actor, roles))

    async def delete(
        self,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        tenant: str | None = None,
        actor: str | None = None,
        roles: str | None = None,
    ) -> Response:
        """Remove."""
        return await self._send("DELETE", path, msgspec.UNSET, headers, Who(tenant, actor, roles))

    async def request(self, method: str, path: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Response:
        """Send exactly this."""
        sent = {name.lower(): value for name, value in (headers or {}).items()}
        exchange = _Exchange(body)
        await self.asgi(_scope(method, path, sent.items()), exchange.receive, exchange.send)
        return exchange.response()

    async def _send(self, method: str, path: str, json: Any, headers: Mapping[str, str] | None, who: Who) -> Response:
        sent = {**(headers or {}), **who.headers()}
        if json is msgspec.UNSET:
            return await self.request(method, path, headers=sent)
        named = {"content-type": "application/json", **{name.lower(): value for name, value in sent.items()}}
        return await self.request(method, path, body=msgspec.json.encode(json), headers=named)


class _Exchange:
    """One request and its answer, in the messages of ASGI 3."""

    def __init__(self, body: bytes) -> None:
        self._body: bytes | None = body
        self._status = 0
        self._headers: dict[str, str] = {}
        self._parts: list[bytes] = []

    async def receive(self) -> dict[str, Any]:
        if self._body is None:
            # The caller stays until it has its answer; a streaming application stops at a disconnect.
            await asyncio.Event().wait()
        body, self._body = self._body or b"", None
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            for raw_name, raw_value in message["headers"]:
                name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
                self._headers[name] = f"{self._headers[name]}, {value}" if name in self._headers else value
        elif message["type"] == "http.response.body":
            self._parts.append(message.get("body", b""))

    def response(self) -> Response:
        if not self._status:
            raise AssertionError("the application ended without an answer")
        return Response(self._status, self._headers, b"".join(self._parts))


def _scope(method: str, path: str, headers: Iterable[tuple[str, str]]) -> dict[str, Any]:
    bare, _, query = quote(path, safe=_AS_THEY_ARE).partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(bare),
        "raw_path": bare.encode("ascii"),
        "query_string": query.encode("ascii"),
        "root_path": "",
        "headers": [(b"host", b"test"), *((name.encode(), value.encode("latin-1")) for name, value in headers)],
        "client": ("127.0.0.1", 1),
        "server": ("test", 80),
    }


async def _closed(scope: Any, receive: Any, send: Any) -> None:
    raise RuntimeError("the application is not open; write `async with TestApp(…) as app:`")
