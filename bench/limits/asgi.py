"""The limit for calls: bare ASGI on uvicorn, apsw on the loop, msgspec for the body; no framework and none of the duties.

Run: python -m bench.limits.asgi PORT FOLDER
"""

import sys
import uuid
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import uvicorn
from msgspec import Meta, Struct

from bench.limits.store import Refused, Store

__all__ = ["ENCODE", "NAMED", "App", "Form", "Receive", "Send", "reply", "tenant_of", "whole_body"]

Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Step = Annotated[int, Meta(ge=1, le=1_000)]


class Form(Struct, forbid_unknown_fields=True):
    """The body of the POST without storage: a length, a closed list, a range, a number, a time, an optional."""

    name: Annotated[str, Meta(min_length=1, max_length=80)]
    kind: Literal["goods", "service", "gift"]
    quantity: Annotated[int, Meta(ge=1, le=1_000)]
    price: Annotated[float, Meta(ge=0)]
    at: datetime
    note: Annotated[str, Meta(max_length=200)] | None = None


class Named(Struct, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1, max_length=80)]


class Stepped(Struct, forbid_unknown_fields=True):
    by: Step = 1


class Moved(Struct, forbid_unknown_fields=True):
    to: uuid.UUID
    by: Step = 1


ENCODE = msgspec.json.Encoder().encode
FORM = msgspec.json.Decoder(Form).decode
NAMED = msgspec.json.Decoder(Named).decode
STEPPED = msgspec.json.Decoder(Stepped).decode
MOVED = msgspec.json.Decoder(Moved).decode


class App:
    """Routes by length of the path: the shortest way to four operations."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._store: Store

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._live(receive, send)
        try:
            await self._route(scope, receive, send)
        except Refused as refused:
            await reply(send, refused.status, b'{"code":"%b"}' % refused.code.encode())
        except (msgspec.ValidationError, msgspec.DecodeError, ValueError) as wrong:
            await reply(send, 422, ENCODE({"code": "request:invalid", "detail": str(wrong)}))

    async def _route(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        etag = b""
        status = 200
        if scope["method"] == "GET":
            if path == "/readyz":
                answer = b"{}"
            else:
                counter = self._store.get(tenant_of(scope), uuid.UUID(path[13:]))
                answer, etag = ENCODE(counter), b'"%d"' % counter.version
        elif path == "/v1/echo":
            answer = ENCODE(FORM(await whole_body(receive)))
        elif path == "/v1/counters":
            status, etag = 201, b'"1"'
            answer = ENCODE(self._store.create(tenant_of(scope), NAMED(await whole_body(receive)).name))
        else:
            answer = await self._command(scope, await whole_body(receive))
        await reply(send, status, answer, etag)

    def _command(self, scope: dict[str, Any], body: bytes) -> Awaitable[bytes]:
        path: str = scope["path"]
        id_, operation = uuid.UUID(path[13:49]), path[50:]
        key = _header(scope, b"idempotency-key")
        if operation == "increment":
            return self._store.move(tenant_of(scope), operation, key, (id_, STEPPED(body).by))
        if operation == "transfer":
            move = MOVED(body)
            return self._store.move(tenant_of(scope), operation, key, (id_, -move.by), (move.to, move.by))
        raise Refused(404, "route:not_found")

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self._store = Store(self._folder / "limit.db")
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._store.close()
        await send({"type": "lifespan.shutdown.complete"})


def _header(scope: dict[str, Any], name: bytes) -> str | None:
    for key, value in scope["headers"]:
        if key == name:
            return str(value, "latin-1")
    return None


def tenant_of(scope: dict[str, Any]) -> str:
    return _header(scope, b"x-tenant-id") or "public"


async def whole_body(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message["body"]
    while message.get("more_body"):
        message = await receive()
        body += message["body"]
    return body


async def reply(send: Send, status: int, body: bytes, etag: bytes = b"") -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    if etag:
        headers.append((b"etag", etag))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    uvicorn.run(
        App(Path(sys.argv[2])),
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
        server_header=False,
        date_header=False,
    )
