"""What a call over the store's socket takes: `python -m bench.store_call FOLDER SECONDS` prints p50 and p99 as JSON.

The owner is a process of its own (`… FOLDER owner`); the caller is this one. The unit writes one event and no row of a module, so
that what is measured is the way there and the commit.
"""

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from time import monotonic, perf_counter
from uuid import uuid4

import msgspec
from msgspec import Struct

from armature.adapters.memory.cache import MemoryCache
from armature.adapters.memory.limiter import MemoryLimiter
from armature.adapters.memory.signal import MemorySignal
from armature.adapters.sqlite.database import SqliteDatabase
from armature.adapters.sqlite.reading import SqliteReading
from armature.adapters.store.database import StoreDatabase
from armature.adapters.store.guest import Guest
from armature.adapters.store.server import StoreServer
from armature.adapters.store.shared import Shared
from armature.engine.policies import DatabasePolicy, QueryPolicy
from armature.ports.database import Database, EventRow, Unit

__all__ = ["Call"]

_SCHEMA = (files("armature.engine") / "schema" / "0001_foundation.sqlite.sql").read_text()
_WARM = 50


class Call(Struct, frozen=True):
    """A kind of call."""

    name: str
    p50_us: float
    p99_us: float


class _Caller:
    deadline = float("inf")
    gone = False


def _own(path: Path) -> SqliteDatabase:
    return SqliteDatabase(path, policy=DatabasePolicy(), queries=QueryPolicy(), turn_seconds=0.25)


async def _serve(folder: Path) -> None:
    database = _own(folder / "a.db")
    await database.open()
    await database.script(_SCHEMA)
    shared = Shared(MemorySignal(), MemoryCache(), MemoryLimiter(keys_max=10, clock=monotonic))
    server = StoreServer(database, (folder / "a.db", folder / "store.sock"), lambda: None, shared)
    await server.open()
    print("open", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.close()
    await database.close()


def _unit() -> Unit:
    event = EventRow(uuid4(), "bench.called", 1, "t", "bench/1", None, b"{}", "c", "c", None, "a", 1, datetime.now(UTC))
    return Unit("bench", _Caller(), events=(event,))


async def _timed(name: str, call: Callable[[], Awaitable[object]], seconds: float) -> Call:
    for _ in range(_WARM):
        await call()
    taken: list[float] = []
    end = perf_counter() + seconds
    while (began := perf_counter()) < end:
        await call()
        taken.append((perf_counter() - began) * 1e6)
    taken.sort()
    return Call(name, taken[len(taken) // 2], taken[len(taken) * 99 // 100])


async def _measure(folder: Path, seconds: float) -> list[Call]:
    guest = Guest(folder / "a.db", folder / "store.sock")
    reading = SqliteReading(folder / "a.db", synchronous="full", queries=QueryPolicy())
    there = StoreDatabase(reading, guest, patience_seconds=10.0)
    here = _own(folder / "b.db")
    await there.open()
    await here.open()
    await here.script(_SCHEMA)

    def commit(database: Database) -> Callable[[], Awaitable[object]]:
        return lambda: database.commit(_unit())

    try:
        return [
            await _timed("question", guest.reached, seconds),
            await _timed("unit over the socket", commit(there), seconds),
            await _timed("unit in the process", commit(here), seconds),
        ]
    finally:
        await there.close()
        await here.close()


def main(folder: Path, what: str) -> None:
    """Be the owner, or start one and measure."""
    if what == "owner":
        asyncio.run(_serve(folder))
        return
    command = [sys.executable, "-m", "bench.store_call", str(folder), "owner"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        owner.stdout.readline()
        print(msgspec.json.encode(asyncio.run(_measure(folder, float(what)))).decode())
        assert owner.stdin is not None
        owner.stdin.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
