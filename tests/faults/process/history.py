"""What callers meant and what they were told, written outside the server and synced before anything depends on it.

One JSON object a line: `invoke`, then one of `ok` (an answer that says it happened), `fail` (an answer that says it did
not) or `info` (nobody knows). Several attempts of one intent carry one idempotency key and a request id each.
"""

import asyncio
import os
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

__all__ = ["Happened", "History", "read_history"]


class Happened(Struct, frozen=True, omit_defaults=True):
    """One line."""

    what: Literal["invoke", "ok", "fail", "info"]
    attempt: str
    """The request id; the log's events carry it as their correlation."""
    verb: str
    path: str
    by: int = 0
    key: str | None = None
    status: int = 0
    headers: dict[str, str] = {}
    body: str = ""


class History:
    """Appends lines. Whoever waits in the same moment shares one sync."""

    def __init__(self, file: Path) -> None:
        self._file = os.open(file, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._syncing: asyncio.Task[None] | None = None

    async def note(self, line: Happened) -> None:
        """Return when the line is on the disk."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((msgspec.json.encode(line) + b"\n", done))
        if self._syncing is None:
            self._syncing = asyncio.create_task(self._sync())
        await done

    async def _sync(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            os.write(self._file, b"".join(line for line, _ in batch))
            await asyncio.to_thread(os.fdatasync, self._file)
            for _, done in batch:
                done.set_result(None)
        self._syncing = None


def read_history(file: Path) -> list[Happened]:
    """Return all lines."""
    return [msgspec.json.decode(line, type=Happened) for line in file.read_bytes().splitlines()]
