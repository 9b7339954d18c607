"""One client of a live feed, on a socket whose buffer it may choose: who reads slowly must be able to read nothing."""

import asyncio
import socket
from collections.abc import Mapping
from typing import Any, Self

import msgspec

__all__ = ["Stream"]

SECONDS_MAX = 20.0


class Stream:
    """A stream that was opened; `event` waits for the next event, `said` collects the comments between them."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.status = 0
        self.last_id = ""
        self.said: list[str] = []
        self._reader = reader
        self._writer = writer
        self._left = b""

    @classmethod
    async def open(cls, port: int, path: str, headers: Mapping[str, str], buffer: int) -> Self:
        """Ask for the stream and read the head of the answer."""
        door = socket.socket()
        door.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        door.setblocking(False)
        await asyncio.get_running_loop().sock_connect(door, ("127.0.0.1", port))
        reader, writer = await asyncio.open_connection(sock=door, limit=buffer)
        lines = [f"GET {path} HTTP/1.1", "host: here", *(f"{name}: {value}" for name, value in headers.items() if value)]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        stream = cls(reader, writer)
        async with asyncio.timeout(SECONDS_MAX):
            stream.status = int((await reader.readuntil(b"\r\n\r\n")).split()[1])
        return stream

    async def event(self) -> dict[str, Any] | None:
        """Return the next event, None at the end of the stream."""
        async with asyncio.timeout(SECONDS_MAX):
            while (block := await self.block()) is not None:
                if "data" in block:
                    return {"type": block["event"], **msgspec.json.decode(block["data"])}
        return None

    async def block(self) -> dict[str, str] | None:
        """Return the fields up to the next empty line; a comment's name is empty."""
        while b"\n\n" not in self._left:
            size = int((await self._reader.readuntil(b"\r\n")).strip(), 16)
            piece = await self._reader.readexactly(size + 2)
            if not size:
                return None
            self._left += piece[:-2]
        text, _, self._left = self._left.partition(b"\n\n")
        fields = dict(line.split(": ", 1) for line in text.decode().split("\n") if line)
        self.last_id = fields.get("id", self.last_id)
        if "" in fields:
            self.said.append(fields[""])
        return fields

    def close(self) -> None:
        """Leave."""
        self._writer.close()
