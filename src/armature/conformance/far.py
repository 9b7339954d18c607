"""The far side of an outbound call: a server on a real socket that does what it is told, the impolite included."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from msgspec import Struct

from armature.ports.http import HttpResponse

__all__ = ["FarServer", "Heard", "Manner", "drips", "far_server", "floods", "is_silent", "render", "resets", "says"]

Manner = Callable[[asyncio.StreamWriter], Awaitable[None]]
"""A way to answer: writes what it likes; when it returns, the connection is closed."""


class Heard(Struct, frozen=True):
    """One request as it came in; header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class FarServer:
    """Answers each request with the next entry of `program`, the last one again and again."""

    def __init__(self) -> None:
        self.program: deque[HttpResponse | Manner] = deque()
        self.heard: list[Heard] = []
        self.connections = 0
        self.left: asyncio.Event = asyncio.Event()
        """Set when a connection was closed before its answer was complete, by the client or by the answer's own manner."""
        self.port = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        try:
            while True:
                self.heard.append(await _read(reader))
                answer = self.program.popleft() if len(self.program) > 1 else self.program[0]
                if not isinstance(answer, HttpResponse):
                    await answer(writer)
                    if writer.is_closing():
                        self.left.set()
                    return
                writer.write(render(answer))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            self.left.set()
        finally:
            writer.close()


@asynccontextmanager
async def far_server() -> AsyncIterator[FarServer]:
    """Run one on a free port for the time of a block; whoever still waits for an answer is cut off at its end."""
    far = FarServer()
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(far.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    far.port = server.sockets[0].getsockname()[1]
    try:
        yield far
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def render(answer: HttpResponse) -> bytes:
    """A plain HTTP/1.1 answer with a length."""
    head = [f"HTTP/1.1 {answer.status} So", f"content-length: {len(answer.body)}"]
    head += [f"{name}: {value}" for name, value in answer.headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + answer.body


def says(*parts: bytes) -> Manner:
    """Write these bytes and hang up."""

    async def manner(writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()

    return manner


async def is_silent(writer: asyncio.StreamWriter) -> None:
    """Accept, read, and never answer."""
    await asyncio.Event().wait()


async def resets(writer: asyncio.StreamWriter) -> None:
    """Break the connection off."""
    writer.transport.abort()


async def drips(writer: asyncio.StreamWriter) -> None:
    """Announce a body and send a byte of it now and then, so that no pause is ever long."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
    while not writer.is_closing():  # uvloop raises a RuntimeError for a write to a closed connection
        writer.write(b".")
        await writer.drain()
        await asyncio.sleep(0.01)


async def floods(writer: asyncio.StreamWriter) -> None:
    """Send a chunked body without an end."""
    writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    chunk = b"10000\r\n" + b"." * 65_536 + b"\r\n"
    while not writer.is_closing():
        writer.write(chunk)
        await writer.drain()


async def _read(reader: asyncio.StreamReader) -> Heard:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *fields = head.rstrip("\r\n").split("\r\n")
    method, path, _ = line.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
    return Heard(method, path, headers, await reader.readexactly(int(headers.get("content-length", "0"))))
