"""A batch in one statement: which changes have that form, and that nobody's loss in it is another one's."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from armature.adapters.postgres.outbox import Letter
from armature.adapters.postgres.plan import compile_plan
from armature.adapters.postgres.session import connected
from armature.adapters.postgres.write_plan import ChangePlan, WritePlans
from armature.conformance.database_accounts import Account
from armature.conformance.database_world import Waiter, World, event, key
from armature.kernel.statement import Change, change
from armature.ports.database import Committed, Twin, Unit
from armature.testing.servers import LocalPostgres
from tests.conformance.test_postgres_database import TestPostgresDatabaseWithoutWalls as Walls
from tests.conformance.test_postgres_writes import FOUNDATION

pytestmark = pytest.mark.slow

SAVE = change(
    "update express_rows set value = :value, version = :expected + 1 where id = :id and version = :expected",
    row=("id",),
    cas="expected",
)
WEIGH = change("update express_rows set weight = :weight where id = :id", row=("id",))


TABLE = "create table express_rows (id uuid, value bigint, version bigint, weight float8)"


async def plan_of(statement: Change, url: str, table: str = TABLE) -> ChangePlan:
    connection = await asyncpg.connect(url)
    await connection.execute(FOUNDATION + table)
    await connection.close()
    plans = WritePlans(1.0)
    with connected(url) as session:
        plans.add(compile_plan(session, statement, secured=False), session.prepared)
    return plans.change(statement)


async def test_a_compare_and_set_has_the_form(postgres_url: str) -> None:
    assert (await plan_of(SAVE, postgres_url)).express is not None


async def test_a_value_that_only_the_driver_can_write_has_not(postgres_url: str) -> None:
    plan = await plan_of(WEIGH, postgres_url)
    assert plan.merged and plan.express is None


CROWDED = """
create table express_rows (id uuid, shelf text not null, value bigint, version bigint, weight float8, primary key (shelf, id));
create index express_by_value on express_rows (shelf, value);
"""
MOVE = change(
    "update express_rows set value = :value, version = :expected + 1 where shelf = :shelf and id = :id and version = :expected",
    row=("shelf", "id"),
    cas="expected",
)


async def test_rows_are_found_by_their_own_index_though_the_plan_is_older_than_they_are(postgres_url: str) -> None:
    """What was planned for an empty table goes on for a full one until there are statistics: there any index looks as good."""
    plan = await plan_of(MOVE, postgres_url, CROWDED)
    assert plan.lock is not None and plan.express is not None
    ids = [uuid4() for _ in range(1_000)]
    values = {"value": [5] * 16, "expected": [1] * 16, "shelf": ["a"] * 16, "id": ids[:16]}
    texts = [write(values[name]) for write, name in zip(plan.express.writers, MOVE.params, strict=True)]
    letter = Letter([Unit("laws", Waiter(), (), events=(event(),)) for _ in range(16)])
    forms = {
        "lock": (plan.lock.lock.sql, plan.lock.pick(texts)),
        "merged": (plan.merged, texts),
        "express": (plan.express.sql, [*texts, "16", "{}", *letter.fresh]),
    }
    connection = await asyncpg.connect(postgres_url)
    await connection.execute("set plan_cache_mode = force_generic_plan")
    for name, (sql, asked) in forms.items():
        await connection.execute(f"prepare {name} as {sql}")
        await connection.fetch(f"explain execute {name} ({_literals(asked)})")
    await connection.execute("insert into express_rows select id, 'a', 0, 1, 0 from unnest($1::uuid[]) id", ids)
    for name, (_, asked) in forms.items():
        undone = connection.transaction()
        await undone.start()
        told = "\n".join(row[0] for row in await connection.fetch(f"explain (analyze) execute {name} ({_literals(asked)})"))
        await undone.rollback()
        assert "express_rows_pkey" in told and "rows=16 loops=1" in told, told
        assert "express_by_value" not in told and "Rows Removed by Filter" not in told, told
    await connection.close()


def _literals(values: Sequence[str]) -> str:
    return ", ".join("'" + value.replace("'", "''") + "'" for value in values)


def world_on(server: LocalPostgres, folder: Path) -> AbstractAsyncContextManager[World]:
    made = Walls()
    made.server, made.names = server, {}
    return made.world(folder)


async def test_of_units_that_all_win_each_is_told_its_own_event(tmp_path: Path, postgres: LocalPostgres) -> None:
    async with world_on(postgres, tmp_path) as world:
        for n in range(40):
            await world.account(f"n{n}")
        # Only who was told the id of an event could ask for one, and goes out at once.
        await world.commit(world.opened("first"), events=[event()])
        before = await world.events()
        units = [world.saved(f"n{n}", 100 + n, expected=1) for n in range(40)]
        verdicts = await asyncio.gather(*(world.commit(unit, events=[event()]) for unit in units))
        assert [await world.find(f"n{n}") for n in range(40)] == [Account(f"n{n}", 100 + n, 2) for n in range(40)]
        told = [verdict.last_id for verdict in verdicts if isinstance(verdict, Committed)]
        assert told == [id for id in await world.events() if id not in before], "a unit was told another one's event"


async def test_a_key_that_is_not_free_is_a_twin_and_harms_no_neighbour(tmp_path: Path, postgres: LocalPostgres) -> None:
    async with world_on(postgres, tmp_path) as world:
        for n in range(12):
            await world.account(f"n{n}")
        await world.commit(world.opened("first"), events=[event()], key=key(b"taken"))
        before = await world.events()
        scopes = [b"taken" if n == 7 else b"%d" % n for n in range(12)]
        units = [(world.saved(f"n{n}", 100 + n, expected=1), key(scope)) for n, scope in enumerate(scopes)]
        verdicts = await asyncio.gather(*(world.commit(unit, events=[event()], key=one) for unit, one in units))
        assert [n for n, verdict in enumerate(verdicts) if verdict == Twin()] == [7], "a key that was taken told twice"
        assert sum(isinstance(verdict, Committed) for verdict in verdicts) == 11
        assert await world.find("n7") == Account("n7", 0, 1) and await world.find("n8") == Account("n8", 108, 2)
        assert len(await world.events()) == len(before) + 11
