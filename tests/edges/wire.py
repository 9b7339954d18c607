"""A client that sees bytes: it sends what it is told, reads answers one by one, and knows when the connection ended."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from starlette.types import ASGIApp, Receive, Scope, Send

from armature.edges.http.server import HttpServer
from armature.engine.policies import HttpPolicy

__all__ = ["PATIENCE_SECONDS", "Answer", "Echo", "Wire", "serving", "until"]

# For what must happen; a test that waits this long has failed.
PATIENCE_SECONDS = 20.0


class Answer(msgspec.Struct, frozen=True):
    """One response."""

    status: int
    headers: dict[str, str]
    body: bytes

    def problem(self) -> dict[str, Any]:
        return msgspec.json.decode(self.body, type=dict[str, Any])


class Wire:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, port: int) -> "Wire":
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self) -> Answer | None:
        """The next response, or None when the connection ended instead."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            try:
                head = await self.reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError) as ended:
                assert not getattr(ended, "partial", b""), "the connection ended inside an answer"
                return None
            line, *fields = head[:-4].decode("latin-1").split("\r\n")
            headers = {name.lower(): value for name, _, value in (field.partition(": ") for field in fields)}
            status = int(line.split(" ")[1])
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
            return Answer(status, headers, body)

    async def ended(self) -> bool:
        """Wait for the end of the connection; False when something else arrives."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            try:
                return await self.reader.read(1) == b""
            except ConnectionError:
                return True

    async def close(self) -> None:
        self.writer.transport.abort()


class Echo:
    """An application that reads a whole request and counts those it got to the end of."""

    def __init__(self) -> None:
        self.completed = 0
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message["body"]
            if not message["more_body"]:
                break
        self.completed += 1
        self.bodies.append(body)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop go on until the condition holds."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110  what is waited for is the server's state, which announces nothing
            await asyncio.sleep(0.001)


@asynccontextmanager
async def serving(app: ASGIApp, **policy: Any) -> AsyncIterator[HttpServer]:
    """A server on a free port."""
    server = HttpServer(app, HttpPolicy(**{"port": 0, "drain_seconds": PATIENCE_SECONDS} | policy))
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
