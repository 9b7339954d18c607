"""Units that share a transaction on PostgreSQL: whoever loses, each hears what became of its own."""

import asyncio
from pathlib import Path

import pytest
from msgspec import structs

from armature.adapters.postgres.settings import PostgresSettings
from armature.conformance.database_accounts import Account
from armature.conformance.database_world import event, key, raises
from armature.kernel.refusals import Unavailable
from armature.ports.database import Committed, Conflict, Twin, Violated
from armature.testing.servers import LocalPostgres
from tests.conformance.test_postgres_database import TestPostgresDatabaseWithoutWalls as Walls
from tests.garbage import left_behind

pytestmark = pytest.mark.slow

STANDS_STILL = """
create function stands_still() returns trigger language plpgsql as $$
begin perform pg_sleep(60); return new; end
$$;
create trigger stands_still before update on law_accounts for each row when (new.id = 'n0') execute function stands_still()
"""


class Impatient(Walls):
    """Statements are ended early; those of a batch even earlier."""

    def settings(self, name: str) -> PostgresSettings:
        return structs.replace(super().settings(name), statement_seconds=3.0, lock_seconds=0.2)


async def test_each_unit_of_a_batch_hears_its_own_outcome(tmp_path: Path, postgres: LocalPostgres) -> None:
    made = Walls()
    made.server, made.names = postgres, {}
    async with made.world(tmp_path) as world:
        for n in range(40):
            await world.account(f"n{n}")
        # Every third one decided on a version that is gone.
        units = [world.saved(f"n{n}", 100 + n, expected=9 if n % 3 == 0 else 1) for n in range(40)]
        before = await world.events()
        verdicts = await asyncio.gather(*(world.commit(unit, events=[event()]) for unit in units))
        for n, verdict in enumerate(verdicts):
            lost = isinstance(verdict, Conflict)
            became = await world.find(f"n{n}")
            assert became == (Account(f"n{n}", 0, 1) if lost else Account(f"n{n}", 100 + n, 2)), (
                "a unit heard what became of another"
            )
            assert lost is (n % 3 == 0), "a unit heard what became of another"
        told = [verdict.last_id for verdict in verdicts if isinstance(verdict, Committed)]
        assert told == sorted(told), "a unit was told another one's event"
        assert told == [id for id in await world.events() if id not in before], "a unit was told another one's event"


async def test_who_decided_on_the_same_version_waits_behind_the_first_and_reads_what_it_wrote(
    tmp_path: Path, postgres: LocalPostgres
) -> None:
    made = Walls()
    made.server, made.names = postgres, {}
    async with made.world(tmp_path) as world:
        await world.account("a")

        async def decide(value: int) -> tuple[object, Account | None]:
            return await world.commit(world.saved("a", value, expected=1)), await world.find("a")

        (first, _), *others = await asyncio.gather(*(decide(n) for n in (7, 8, 9)))
        assert isinstance(first, Committed)
        for lost, seen in others:
            assert isinstance(lost, Conflict)
            assert seen == Account("a", 7, 2), "who lost was told before there was anything new to decide on"


async def test_who_waits_behind_a_unit_that_fails_goes_out_itself(tmp_path: Path, postgres: LocalPostgres) -> None:
    made = Walls()
    made.server, made.names = postgres, {}
    async with made.world(tmp_path) as world:
        await world.account("a")
        fails, behind, last = await asyncio.gather(
            world.commit(world.saved("a", 7, expected=1), world.opened("b", called="a")),
            world.commit(world.saved("a", 8, expected=1)),
            world.commit(world.saved("a", 9, expected=1)),
        )
        assert isinstance(fails, Violated)
        assert isinstance(behind, Committed), "it lost to a unit that came to nothing"
        assert isinstance(last, Conflict)
        assert await world.find("a") == Account("a", 8, 2)


@pytest.mark.parametrize("told", [True, False], ids=["at once", "step by step"])
async def test_a_unit_that_takes_too_long_keeps_none_of_its_batch_waiting(
    told: bool, tmp_path: Path, postgres: LocalPostgres
) -> None:
    made = Impatient()
    made.server, made.names = postgres, {}
    async with made.world(tmp_path) as world:
        names = [await world.account(f"n{n}") for n in range(12)]
        postgres.sql(STANDS_STILL, made.names[tmp_path])
        more = [{"events": [event()]} if told else {} for _ in names]
        units = [world.commit(world.saved(name, 7, expected=1), **own) for name, own in zip(names, more, strict=True)]
        bad, *good = [asyncio.create_task(unit) for unit in units]
        assert all(isinstance(verdict, Committed) for verdict in await asyncio.gather(*good)), "it paid for its neighbour"
        assert not bad.done(), "the neighbours of a slow unit waited until it was judged"
        assert "the statement took too long and was stopped" in str(await raises(Unavailable, bad))
        assert await world.find(names[0]) == Account(names[0], 0, 1)
        assert await world.find(names[-1]) == Account(names[-1], 7, 2)


async def test_who_has_the_key_of_a_unit_on_its_way_is_its_twin(tmp_path: Path, postgres: LocalPostgres) -> None:
    made = Walls()
    made.server, made.names = postgres, {}
    async with made.world(tmp_path) as world:
        await world.account("a")
        first = asyncio.ensure_future(world.commit(world.saved("a", 7, expected=1), key=key(b"same")))
        await asyncio.sleep(0)  # it is on its way, and the next one comes in a batch of its own
        await asyncio.sleep(0)
        second = await world.commit(world.saved("a", 7, expected=1), key=key(b"same"))
        assert (isinstance(await first, Committed), second) == (True, Twin())


async def test_reads_leave_nothing_for_the_garbage_collector(tmp_path: Path, postgres: LocalPostgres) -> None:
    made = Walls()
    made.server, made.names = postgres, {}
    async with made.world(tmp_path) as world:
        await world.account("a")
        await asyncio.gather(*(world.find("a") for _ in range(20)))
        with left_behind() as left:
            await asyncio.gather(*(world.find("a") for _ in range(20)))
        assert not left, f"20 reads left {dict(left)}"
