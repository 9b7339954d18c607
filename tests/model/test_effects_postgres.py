"""Each number of section `postgres`, flipped, seen by a real server."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any

import pytest

from armature.adapters.postgres.database import PostgresDatabase
from armature.adapters.postgres.settings import PostgresSettings
from armature.conformance.database_world import Waiter, event
from armature.engine.policies import DatabasePolicy
from armature.kernel.refusals import Unavailable
from armature.kernel.statement import select
from armature.ports.database import Unit
from armature.testing.servers import LocalPostgres
from tests.model.effects import Stage, effect_of

pytestmark = pytest.mark.slow

SCHEMA = files("armature.engine") / "schema"
FOUNDATION = "".join((SCHEMA / name).read_text() for name in ("0001_foundation.postgres.sql", "0003_commit.postgres.sql"))
SLEPT = select(str, "select pg_sleep(cast(:seconds as float))::text as slept")
SETTING = select(str, "select current_setting(:name) as value")


@asynccontextmanager
async def opened(stage: Stage) -> AsyncIterator[tuple[PostgresDatabase, LocalPostgres]]:
    """A database as the stage's policies make it, on a server of its own."""
    with LocalPostgres() as server:
        url = server.create_database("effects")
        server.sql(FOUNDATION, "effects")
        settings = PostgresSettings.of(
            stage.model().policies.postgres, url=url, roles=False, row_security=False, application_name="effects"
        )
        database = PostgresDatabase(settings, policy=DatabasePolicy(), turn_seconds=1.0)
        await database.open()
        try:
            database.bind([SLEPT, SETTING])
            yield database, server
        finally:
            await database.close()


def more_sessions(server: LocalPostgres, before: int = 0) -> int:
    return int(server.sql("select count(*) from pg_stat_activity where application_name = 'effects'")) - before


async def sessions_for(stage: Stage, work: Callable[[PostgresDatabase, int], Coroutine[Any, Any, Any]]) -> int:
    async with opened(stage) as (database, server):
        before = more_sessions(server)
        await asyncio.gather(*(work(database, n) for n in range(12)))
        return more_sessions(server, before)


async def setting(stage: Stage, name: str) -> str:
    async with opened(stage) as (database, _):
        ((value,),) = await database.read([(SETTING, (name,))])
        return str(value)


# The first of the connections is there from `open` on.
@effect_of("postgres.read_connections", to="3", default=7, flipped=2)
async def test_reads_take_no_more_connections(stage: Stage) -> int:
    return await sessions_for(stage, lambda database, n: database.read([(SETTING, ("fsync",))] * 2))


@effect_of("postgres.write_connections", to="3", default=8, flipped=3)
async def test_commits_take_no_more_connections(stage: Stage) -> int:
    return await sessions_for(stage, lambda database, n: database.commit(Unit(f"lane{n}", Waiter(), events=(event(),))))


@effect_of("postgres.statement_seconds", to="0.05", default="answered", flipped="database: the statement took too long")
async def test_a_statement_that_takes_longer_is_stopped(stage: Stage) -> str:
    async with opened(stage) as (database, _):
        try:
            await database.read([(SLEPT, (0.3,))])
        except Unavailable as error:
            return error.what[:37]
        return "answered"


@effect_of("postgres.lock_seconds", to="0.25", default="1s", flipped="250ms")
async def test_the_server_bounds_the_wait_for_locks(stage: Stage) -> str:
    return await setting(stage, "lock_timeout")


@effect_of("postgres.idle_in_transaction_seconds", to="2", default="30s", flipped="2s")
async def test_the_server_bounds_silence_in_a_transaction(stage: Stage) -> str:
    return await setting(stage, "idle_in_transaction_session_timeout")


@effect_of(
    "postgres.acquire_seconds",
    to="0.1",
    default=["answered", "answered"],
    flipped=["answered", "database: all 1 connections are busy"],
    given={"postgres.read_connections": "1"},
)
async def test_a_call_waits_for_a_connection(stage: Stage) -> list[str]:
    async with opened(stage) as (database, _):
        asks = [database.read([(SLEPT, (0.6,)), (SLEPT, (0.0,))]), database.read([(SLEPT, (0.0,))])]
        told = await asyncio.gather(*asks, return_exceptions=True)
        return [one.what if isinstance(one, Unavailable) else "answered" for one in told]
