"""The small world in which the laws of a database are tried: accounts, callers with patience, and sentences about both."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar
from uuid import UUID, uuid4

from armature.conformance.database_accounts import BY_ID, OPEN, SAVE, STATEMENTS, TABLES, TENANT, Account
from armature.conformance.database_told import EVENT_IDS
from armature.kernel.refusals import Unavailable
from armature.ports.database import Bound, Committed, Database, EventRow, KeyRow, Unit, Verdict

__all__ = ["LANE", "DatabaseStories", "Waiter", "World", "closed", "event", "key", "raises", "run"]

T = TypeVar("T")

LANE = "law"
"""The module of the tables of these laws, as their names say."""
LONG_SECONDS = 60.0
"""How long a story may hang before it counts as a lost wake-up; nothing waits for it."""


class Waiter:
    """An owner whose patience a law can end."""

    def __init__(self, seconds: float = LONG_SECONDS, gone: bool = False) -> None:
        self.deadline = monotonic() + seconds
        self.gone = gone
        self.in_hand = False


class World:
    """A database with accounts in it, spoken to in sentences."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def account(self, name: str, value: int = 0) -> str:
        """Open an account; its id is its name."""
        verdict = await self.commit(self.opened(name, value))
        assert isinstance(verdict, Committed), verdict
        return name

    def opened(self, name: str, value: int = 0, *, called: str | None = None) -> Bound:
        """The write that opens an account."""
        return OPEN, (TENANT, name, called or name, value)

    def saved(self, name: str, value: int, expected: int) -> Bound:
        """The write that changes an account decided on at version `expected`."""
        written = {"tenant_id": TENANT, "id": name, "value": value, "version": expected + 1, "expected": expected}
        return SAVE, tuple(written[param] for param in SAVE.params)

    async def commit(self, *writes: Bound, owner: Waiter | None = None, lane: str = LANE, **more: Any) -> Verdict:
        """Commit a unit of these writes."""
        return await self.database.commit(Unit(lane, owner or Waiter(), writes, **more))

    async def find(self, name: str) -> Account | None:
        """Return an account, or None."""
        ((*found,),) = await self.database.read(((BY_ID, (TENANT, name)),))
        return found[0] if found else None

    async def events(self) -> list[int]:
        """Return the ids in the outbox."""
        (ids,) = await self.database.read(((EVENT_IDS, ()),))
        return ids

    async def step(self, name: str, owner: Waiter | None = None) -> Verdict:
        """Add one to an account in a turn."""

        async def decide(read: Callable[[Sequence[Bound]], Awaitable[list[list[Any]]]]) -> Unit:
            ((before,),) = await read(((BY_ID, (TENANT, name)),))
            return Unit(LANE, Waiter(), (self.saved(name, before.value + 1, before.version),), events=(event(),))

        return await self.database.turn((("law_accounts", (TENANT, name)),), decide, owner or Waiter())


def event(event_id: UUID | None = None) -> EventRow:
    """An event that says nothing."""
    identity = event_id or uuid4()
    return EventRow(
        event_id=identity,
        type=f"{LANE}.happened",
        schema=1,
        tenant_id=TENANT,
        stream=str(identity),
        stream_version=None,
        payload=b"{}",
        correlation_id="laws",
        causation_id="laws",
        trace=None,
        actor="laws",
        partition=1,
        occurred_at=datetime.now(UTC),
    )


def key(scope: bytes, tenant: str = TENANT) -> KeyRow:
    """A key row that lives for a day."""
    return KeyRow(tenant, scope, b"print", b'"done"', False, datetime.now(UTC), datetime.now(UTC) + timedelta(days=1))


async def raises(kind: type[BaseException], waited: Awaitable[Any]) -> BaseException:
    """Return what was raised; anything else breaks the law."""
    try:
        answer = await waited
    except kind as raised:
        return raised
    raise AssertionError(f"expected {kind.__name__}, got {answer!r}")


def run(story: Coroutine[Any, Any, T]) -> T:
    """Run a story; one that hangs has lost a wake-up."""

    async def told() -> T:
        async with asyncio.timeout(LONG_SECONDS):
            return await story

    return asyncio.run(told())


async def closed(database: Database) -> None:
    """Check that a closed database says so."""
    world = World(database)
    assert "closed" in str(await raises(Unavailable, world.commit()))
    assert "closed" in str(await raises(Unavailable, world.find("a")))


class DatabaseStories(ABC):
    """How a law gets its world; a subclass says with which database."""

    @abstractmethod
    def make(self, folder: Path) -> Database:
        """Return a database that is not open yet."""

    @abstractmethod
    def foundation(self) -> str:
        """Return the DDL of the framework's own tables."""

    @asynccontextmanager
    async def world(self, folder: Path, *, fresh: bool = True) -> AsyncIterator[World]:
        """Open a database with the laws' tables in it."""
        database = self.make(folder)
        await database.open()
        try:
            if fresh:
                await database.script(self.foundation())
                await database.script(TABLES)
            database.bind(STATEMENTS)
            yield World(database)
        finally:
            await database.close()
