"""The laws of a database, as tests that every adapter inherits.

A subclass says how to make a database on a folder (two on one folder share their data) and which DDL the framework's
own tables need. Each law has a test that fails when the law is broken; the names say which.
"""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from armature.conformance.database_accounts import ALL, AMONG, BY_ID, SUM, TENANT, Account
from armature.conformance.database_told import TELL_AGAIN, TOLD, Told
from armature.conformance.database_units import UnitLaws
from armature.conformance.database_waiting import WaitingLaws
from armature.conformance.database_world import event, run
from armature.ports.database import Committed

__all__ = ["DatabaseLaws"]


class DatabaseLaws(UnitLaws, WaitingLaws):
    """Inherit, implement `make` and `foundation`, and pytest runs the laws."""

    # 7. reads

    def test_reads_of_one_call_see_one_state(self, tmp_path: Path) -> None:
        async def story() -> None:
            async with self.world(tmp_path) as world:
                await world.account("a", 100)
                await world.account("b", 0)
                moved = 0

                async def move() -> None:
                    nonlocal moved
                    for n in range(60):
                        a, b = 100 - n - 1, n + 1
                        verdict = await world.commit(world.saved("a", a, expected=n + 1), world.saved("b", b, expected=n + 1))
                        assert isinstance(verdict, Committed)
                        moved += 1

                mover = asyncio.create_task(move())
                while not mover.done():
                    (a,), (b,) = await world.database.read(((BY_ID, (TENANT, "a")), (BY_ID, (TENANT, "b"))))
                    assert a.value + b.value == 100
                    # Long enough for several commits to come in between, were it not for the one state.
                    first, *rest, (total,) = await world.database.read((*[(ALL, (TENANT,))] * 40, (SUM, (TENANT,))))
                    assert total == 100
                    assert rest == [first] * 39
                    await asyncio.sleep(0)
                await mover
                assert moved == 60

        run(story())

    def test_a_read_after_a_verdict_sees_it(self, tmp_path: Path) -> None:
        async def story() -> None:
            async with self.world(tmp_path) as world:

                async def one(n: int) -> None:
                    await world.account(f"n{n}", n)
                    assert await world.find(f"n{n}") == Account(f"n{n}", n, 1)

                await asyncio.gather(*(one(n) for n in range(64)))
                wanted = ["n3", "n7", "nobody"]
                (found,) = await world.database.read(((AMONG, (TENANT, wanted)),))
                assert sorted(account.id for account in found) == ["n3", "n7"]
                assert await world.database.read(((AMONG, (TENANT, [])),)) == [[]]

        run(story())

    # 11. as it is kept

    def test_what_is_bound_as_it_is_kept_is_read_as_what_it_stands_for(self, tmp_path: Path) -> None:
        async def story() -> None:
            async with self.world(tmp_path) as world:
                identity, at = UUID(int=7 << 76 | 5), datetime(2026, 2, 3, 4, 5, 6, 789, UTC)
                committed = await world.commit(events=[event()])
                assert isinstance(committed, Committed)
                kept = [(identity.bytes, 1_770_091_506_000_789)] if world.database.takes_kept else []
                for given in (*kept, (identity, at)):
                    again = TELL_AGAIN, (*given, committed.last_id)
                    assert isinstance(await world.commit(again, lane="armature"), Committed)
                    (told,) = await world.database.read(((TOLD, ()),))
                    assert told == [Told(identity, at)]

        run(story())
