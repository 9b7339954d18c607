"""An owner and its guests in one loop, over a real socket."""

from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path
from time import monotonic
from typing import Any

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
from armature.kernel.statement import Statement
from armature.ports.database import Decide, Owner, Row, Unit, Verdict

__all__ = ["FOUNDATION", "Keeper", "Served", "guest"]

FOUNDATION = (files("armature.engine") / "schema" / "0001_foundation.sqlite.sql").read_text()
PATIENCE_SECONDS = 30.0


class Keeper:
    """The owner of a folder's file. `told` counts the units of guests that recorded events."""

    def __init__(self, folder: Path, policy: DatabasePolicy | None = None, turn_seconds: float = 0.25) -> None:
        self.folder = folder
        self.told = 0
        self.database = SqliteDatabase(
            folder / "laws.db", policy=policy or DatabasePolicy(), queries=QueryPolicy(), turn_seconds=turn_seconds
        )
        self.signal, self.cache = MemorySignal(), MemoryCache()
        self.limiter = MemoryLimiter(keys_max=1_000, clock=monotonic)
        place = folder / "laws.db", folder / "store.sock"
        self.server = StoreServer(self.database, place, self._committed, Shared(self.signal, self.cache, self.limiter))

    async def open(self) -> None:
        await self.signal.open()
        await self.cache.open()
        await self.database.open()
        await self.server.open()

    async def close(self) -> None:
        await self.server.close()
        await self.signal.close()
        await self.cache.close()
        await self.database.close()

    def _committed(self) -> None:
        self.told += 1


def guest(
    folder: Path, *, patience_seconds: float = PATIENCE_SECONDS, file: Path | None = None, line: Guest | None = None
) -> StoreDatabase:
    """Return a guest of the folder's owner, not open yet; over `line` where another port shares it."""
    file = file or folder / "laws.db"
    reading = SqliteReading(file, synchronous="full", queries=QueryPolicy())
    return StoreDatabase(reading, line or Guest(file, folder / "store.sock"), patience_seconds=patience_seconds)


class Served:
    """A guest's database that brings its owner along: as a whole it is a `Database` like any other."""

    takes_kept = StoreDatabase.takes_kept

    def __init__(self, folder: Path, policy: DatabasePolicy | None = None) -> None:
        self.keeper = Keeper(folder, policy)
        self.guest = guest(folder)

    async def open(self) -> None:
        await self.keeper.open()
        await self.guest.open()

    async def close(self) -> None:
        await self.guest.close()
        await self.keeper.close()

    def bind(self, statements: Iterable[Statement]) -> None:
        self.guest.bind(statements)

    async def read(self, asks: Sequence[Any]) -> list[list[Any]]:
        return await self.guest.read(asks)

    async def commit(self, unit: Unit) -> Verdict:
        return await self.guest.commit(unit)

    async def turn(self, rows: Sequence[Row], decide: Decide, owner: Owner) -> Verdict:
        return await self.guest.turn(rows, decide, owner)

    async def script(self, text: str) -> None:
        await self.guest.script(text)
