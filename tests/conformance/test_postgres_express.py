"""A batch in one statement: which changes have that form, and that nobody's loss in it is another one's."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from armature.adapters.postgres.plan import compile_plan
from armature.adapters.postgres.session import connected
from armature.adapters.postgres.write_plan import ChangePlan, WritePlans
from armature.conformance.database_accounts import Account
from armature.conformance.database_world import event
from armature.kernel.statement import Change, change
from armature.ports.database import Committed
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


async def plan_of(statement: Change, url: str) -> ChangePlan:
    connection = await asyncpg.connect(url)
    await connection.execute(FOUNDATION + "create table express_rows (id uuid, value bigint, version bigint, weight float8)")
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


async def test_of_units_that_all_win_each_is_told_its_own_event(tmp_path: Path, postgres: LocalPostgres) -> None:
    made = Walls()
    made.server, made.names = postgres, {}
    async with made.world(tmp_path) as world:
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
