"""As little HTTP as a caller needs who must know whether a request was sent, lost or answered.

A client library would connect again by itself, and the history would be wrong about what may have happened.
"""

import asyncio
from collections.abc import Mapping

from msgspec import Struct

__all__ = ["Answered", "Line", "Lost", "NotSent"]


class NotSent(Exception):
    """Nobody took the connection: the request certainly has no effect."""


class Lost(Exception):
    """The connection ended before the answer: nobody can know."""


class Answered(Struct, frozen=True):
    """An answer with its headers in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class Line:
    """One connection to a local port, opened when needed and opened again after it was lost."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def open(self) -> None:
        """Connect, if that has not happened yet."""
        if self._streams is None:
            try:
                self._streams = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError as error:
                raise NotSent(str(error)) from error

    async def request(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answered:
        """Send one request and return its answer."""
        reader = await self._send(method, path, headers or {}, body)
        try:
            answered = await _read(reader, method)
        except (OSError, EOFError) as error:
            self.close()
            raise Lost(repr(error)) from error
        if answered.headers.get("connection", "").lower() == "close":
            self.close()
        return answered

    async def drop(self, path: str, headers: Mapping[str, str], body: bytes, patience: float) -> None:
        """Send a POST and hang up soon after, whatever becomes of it."""
        await self._send("POST", path, headers, body)
        await asyncio.sleep(patience)
        self.close()

    async def _send(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> asyncio.StreamReader:
        await self.open()
        assert self._streams is not None
        reader, writer = self._streams
        head = [f"{method} {path} HTTP/1.1", "host: test", *(f"{name}: {value}" for name, value in headers.items())]
        if body is not None:
            head += ["content-type: application/json", f"content-length: {len(body)}"]
        writer.write("\r\n".join([*head, "", ""]).encode() + (body or b""))
        return reader

    def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def _read(reader: asyncio.StreamReader, method: str) -> Answered:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    status = int(lines[0].split()[1])
    headers: dict[str, str] = {}
    for line in filter(None, lines[1:]):
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    length = 0 if method == "HEAD" or status in (204, 304) else int(headers.get("content-length", "0"))
    return Answered(status, headers, await reader.readexactly(length))
