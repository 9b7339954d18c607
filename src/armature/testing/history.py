"""What callers meant and what they were told, written outside the system and synced before anything depends on it.

One JSON object a line: `invoke`, then one of `ok` (an answer that says it happened), `fail` (an answer that says it did
not) or `info` (nobody knows). Several attempts of one intent carry one idempotency key and a request id each.
"""

import asyncio
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

__all__ = ["Happened", "History", "intents", "read_history", "verdicts"]


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

    def close(self) -> None:
        """Give the file back; nobody may be waiting."""
        os.close(self._file)

    async def _sync(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            os.write(self._file, b"".join(line for line, _ in batch))
            await asyncio.to_thread(os.fdatasync, self._file)
            for _, done in batch:
                done.set_result(None)
        self._syncing = None


def read_history(file: Path) -> list[Happened]:
    """Return all whole lines; the writer may be at work on one more."""
    text = file.read_bytes()
    return [msgspec.json.decode(line, type=Happened) for line in text[: text.rfind(b"\n") + 1].splitlines()]


def intents(history: Iterable[Happened]) -> dict[str, str]:
    """Return by attempt what it was for: all attempts under one key are one intent."""
    return {line.attempt: line.key or line.attempt for line in history}


def verdicts(history: Iterable[Happened]) -> dict[str, str]:
    """Return what the callers know of each intent: `ok` if any attempt was told so, else its last word; `info` without one.

    A refusal after a lost answer counts: who comes with a key is told `fail` only when the earlier attempt had no effect.
    """
    found: dict[str, str] = {}
    for line in history:
        intent = line.key or line.attempt
        if line.what == "invoke":
            found.setdefault(intent, "info")
        elif found.get(intent) != "ok":
            found[intent] = line.what
    return found
