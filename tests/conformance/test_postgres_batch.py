"""Units that share a transaction on PostgreSQL: whoever loses, each hears what became of its own."""

import asyncio
from pathlib import Path

import pytest

from armature.conformance.database_accounts import Account
from armature.conformance.database_world import event
from armature.ports.database import Committed, Conflict
from armature.testing.servers import LocalPostgres
from tests.conformance.test_postgres_database import TestPostgresDatabaseWithoutWalls as Walls

pytestmark = pytest.mark.slow


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
