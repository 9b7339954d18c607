"""Guests as worlds: the sentences of the laws, told to a guest of an owner that may come and go."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Any

from armature.adapters.store.database import StoreDatabase
from armature.conformance.database_accounts import STATEMENTS, TABLES
from armature.conformance.database_world import World
from armature.kernel.refusals import Unavailable
from tests.store.pair import FOUNDATION, Keeper, guest

__all__ = ["Guest", "guest_world", "kept", "until"]

PATIENCE_SECONDS = 60.0


class Guest(World):
    """A world on a guest."""

    database: StoreDatabase


async def until(true: Callable[[], Any], what: str) -> None:
    """Return when something is so; a coroutine function is awaited, and an owner that is away is not yet so."""
    end = monotonic() + PATIENCE_SECONDS
    while True:
        try:
            found = true()
            if await found if asyncio.iscoroutine(found) else found:
                return
        except Unavailable:
            pass
        assert monotonic() < end, f"not in {PATIENCE_SECONDS:g} s: {what}"
        await asyncio.sleep(0.01)


@asynccontextmanager
async def guest_world(folder: Path, *, fresh: bool = True) -> AsyncIterator[Guest]:
    """Open a guest; `fresh`: the tables are made through it."""
    database = guest(folder)
    await database.open()
    try:
        if fresh:
            await database.script(FOUNDATION)
            await database.script(TABLES)
        database.bind(STATEMENTS)
        yield Guest(database)
    finally:
        await database.close()


@asynccontextmanager
async def kept(keeper: Keeper) -> AsyncIterator[Keeper]:
    """Open an owner in this process."""
    await keeper.open()
    try:
        yield keeper
    finally:
        await keeper.close()
