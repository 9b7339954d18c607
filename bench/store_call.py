"""What a call over the store's socket takes: `python -m bench.store_call WHAT SECONDS CALLERS FOLDER` prints one line of JSON.

WHAT is `question` (a frame there and one back), `unit` (one that the owner commits) or `here` (the same unit committed in this
process). The owner is a process of its own: `python -m bench.store_call owner PORT FOLDER`. The unit writes one event and no row
of a module, so that what is measured is the way there and the commit.
"""

import contextlib
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from time import monotonic
from uuid import uuid4

import uvloop

from armature.adapters.memory.cache import MemoryCache
from armature.adapters.memory.limiter import MemoryLimiter
from armature.adapters.memory.signal import MemorySignal
from armature.adapters.sqlite.database import SqliteDatabase
from armature.adapters.sqlite.reading import SqliteReading
from armature.adapters.store.database import StoreDatabase
from armature.adapters.store.guest import Guest
from armature.adapters.store.server import StoreServer
from armature.adapters.store.shared import Shared
from armature.conformance.database_world import Waiter
from armature.engine.policies import DatabasePolicy, QueryPolicy
from armature.ports.database import Committed, Database, EventRow, Unit
from bench.closed import Ask, closed, tell
from bench.limits.ready import stay_ready

__all__: list[str] = []

_SCHEMA = (files("armature.engine") / "schema" / "0001_foundation.sqlite.sql").read_text()
_FILE, _SOCKET = "a.db", "store.sock"


async def _own(path: Path) -> SqliteDatabase:
    database = SqliteDatabase(path, policy=DatabasePolicy(), queries=QueryPolicy(), turn_seconds=0.25)
    await database.open()
    await database.script(_SCHEMA)
    return database


async def owner(port: int, folder: Path) -> None:
    """Own the file and answer on the socket, until killed."""
    database = await _own(folder / _FILE)
    shared = Shared(MemorySignal(), MemoryCache(), MemoryLimiter(keys_max=10, clock=monotonic))
    server = StoreServer(database, (folder / _FILE, folder / _SOCKET), lambda: None, shared)
    await server.open()
    await stay_ready(port)


def _unit() -> Unit:
    event = EventRow(uuid4(), "bench.called", 1, "t", "bench/1", None, b"{}", "c", "c", None, "a", 1, datetime.now(UTC))
    return Unit("bench", Waiter(), events=(event,))


def _committing(database: Database) -> Ask:
    async def ask() -> None:
        assert isinstance(await database.commit(_unit()), Committed)

    return ask


@contextlib.asynccontextmanager
async def asking(what: str, folder: Path) -> AsyncIterator[Ask]:
    """Yield what asks once."""
    if what == "here":
        here = await _own(folder / f"{uuid4()}.db")
        yield _committing(here)
        await here.close()
        return
    guest = Guest(folder / _FILE, folder / _SOCKET)
    reading = SqliteReading(folder / _FILE, synchronous="full", queries=QueryPolicy())
    there = StoreDatabase(reading, guest, patience_seconds=10.0)
    await there.open()
    yield guest.reached if what == "question" else _committing(there)
    await there.close()


async def main(what: str, seconds: float, callers: int, folder: Path) -> None:
    async with asking(what, folder) as ask:
        told = await closed(ask, callers, seconds)
    tell(told)


if __name__ == "__main__":
    if sys.argv[1] == "owner":
        uvloop.run(owner(int(sys.argv[2]), Path(sys.argv[3])))
    else:
        uvloop.run(main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])))
