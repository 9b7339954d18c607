"""The row that a turn has changed, shown to the next turn: only where it is what that turn would have read."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from armature.conformance.database_accounts import BY_ID, TENANT, Account
from armature.conformance.database_world import LANE, Waiter, event
from armature.kernel.statement import change, select
from armature.ports.database import Read, Unit
from armature.testing.servers import LocalPostgres
from tests.conformance.test_postgres_turns import HOT, Turning, worlds

pytestmark = pytest.mark.slow

WHERE = "where tenant_id = :tenant_id and id = :id"
BY_NAME = change("update law_accounts set value = 1 where tenant_id = :tenant_id and name = :name", row=("name",))
MOVED = change(f"update law_accounts set value = 1, id = id || 'x' {WHERE}", row=("id",))
EITHER = change(f"update law_accounts set value = 1 {WHERE} and value = 7 or value = 9", row=("id",))
CLOSED = change(f"delete from law_accounts {WHERE}", row=("id",))
MARKED = change(f"update law_accounts set value = version + 1 {WHERE} and version < :most", row=("id",))
FOUND = select(int, f"select version from law_accounts {WHERE}")
HIGHER = select(int, f"select version from law_accounts {WHERE} and version > :version")
OLDER = select(int, f"select version - 1 as n from law_accounts {WHERE}")
NAMED = select(int, "select version from law_accounts where tenant_id = :tenant_id and name = :name")  # unique, but not its key
OF_TENANT = select(int, "select version from law_accounts where tenant_id = :tenant_id")


async def test_a_row_that_a_trigger_changes_once_more_is_seen_as_it_is_then(tmp_path: Path, postgres: LocalPostgres) -> None:
    async with worlds(postgres, tmp_path) as (world,):
        await world.database.script(
            "create function more() returns trigger language plpgsql as $$ begin update law_accounts set value = value + 100 "
            "where id = new.id; return null; end $$; "
            "create trigger more after update on law_accounts for each row when (pg_trigger_depth() = 0) execute function more()"
        )
        turns = [Turning(world) for _ in range(3)]
        await asyncio.gather(*(turn() for turn in turns))
        assert [turn.seen for turn in turns] == [[1], [102], [203]]


async def test_only_a_change_of_the_very_row_answers_a_select_of_it(tmp_path: Path, postgres: LocalPostgres) -> None:
    async with worlds(postgres, tmp_path) as (world,):
        database: Any = world.database
        changes = (BY_NAME, MOVED, EITHER, CLOSED, MARKED)
        database.bind((FOUND, HIGHER, OLDER, NAMED, OF_TENANT, *changes))
        plans = [database._write_plans.change(one).in_turn for one in changes]
        assert all(plan is not None for plan in plans)
        assert [set(plan.sights) for plan in plans] == [set(), set(), set(), set(), {BY_ID, FOUND}]


async def test_a_turn_that_asked_for_another_row_is_shown_nothing(tmp_path: Path, postgres: LocalPostgres) -> None:
    async with worlds(postgres, tmp_path) as (world,):
        seen: list[Account] = []

        async def decide(read: Read) -> Unit:
            ((other,),) = await read(((BY_ID, (TENANT, "other")),))
            seen.append(other)
            return Unit(LANE, Waiter(), (world.saved("hot", 10 + len(seen), len(seen) + 1),), events=(event(),))

        for _ in range(2):
            await asyncio.gather(*(world.database.turn(HOT, decide, Waiter()) for _ in range(2)))
        assert seen == [Account("other", 0, 1)] * 4
