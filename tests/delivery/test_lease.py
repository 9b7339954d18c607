"""A lease on a real database: one holder, a term that grows with every change of hands, and no write of one who lost it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from armature.engine.generations import unit
from armature.engine.lease import Lease
from armature.engine.relay import CURSOR
from armature.kernel.refusals import Unavailable
from armature.kernel.statement import change, select
from armature.ports.database import Bound, Committed, Conflict, Database
from tests.delivery.shop import Shop, on_sqlite

TTL = 10.0
LAPSE = change("update armature_leases set expires_at = 0 where name = :name")
AHEAD = change("update armature_leases set expires_at = expires_at + :micros where name = :name")
LEFT = select(int, "select expires_at - cast(unixepoch('subsec') * 1000000 as integer) as left from armature_leases")


class Holder:
    """A process with a clock of its own, and a way to the database that may be cut."""

    def __init__(self, shop: Shop, name: str) -> None:
        shop.database.bind((LAPSE, AHEAD, LEFT))
        self.at = 100.0
        self.cut = False
        self.asked = 0
        self._database = shop.database
        self.lease = Lease(self, name="relay", holder=name, ttl_seconds=TTL, clock=lambda: self.at)  # type: ignore[arg-type]

    def bind(self, statements: Any) -> None:
        self._database.bind(statements)

    async def read(self, asks: Sequence[Bound]) -> list[list[Any]]:
        self.asked += 1
        return await self._reach().read(asks)

    async def commit(self, work: Any) -> Any:
        return await self._reach().commit(work)

    async def writes(self) -> bool:
        """Commit something under the lease's guard; say whether it was taken."""
        verdict = await self._database.commit(unit([], [self.lease.guard()]))
        assert isinstance(verdict, Committed | Conflict)
        return isinstance(verdict, Committed)

    def _reach(self) -> Database:
        if self.cut:
            raise Unavailable(what="the database is away")
        return self._database


async def lapse(shop: Shop) -> None:
    """Let the lease end by the database's clock."""
    await shop.database.commit(unit([(LAPSE, ("relay",))]))


async def test_one_holds_it_and_the_other_waits_until_it_is_given_back(tmp_path: Path) -> None:
    async with on_sqlite(tmp_path) as shop:
        ann, bob = Holder(shop, "ann"), Holder(shop, "bob")
        assert (await ann.lease.hold(), await bob.lease.hold()) == (1, None)
        assert (await ann.writes(), await bob.writes()) == (True, False)
        await ann.lease.release()
        assert (ann.lease.term, await bob.lease.hold()) == (None, 2)
        assert (await ann.writes(), await bob.writes()) == (False, True)


async def test_a_holder_asks_again_when_a_third_has_passed_and_is_believed_as_long_as_it_asks(tmp_path: Path) -> None:
    async with on_sqlite(tmp_path) as shop:
        ann = Holder(shop, "ann")
        for _ in range(5):
            assert await ann.lease.hold() == 1
        assert ann.asked == 1
        for _ in range(4):
            ann.at += TTL * 0.34
            assert await ann.lease.hold() == 1
        assert ann.asked == 5
        (left,) = (await shop.database.read(((LEFT, ()),)))[0]
        assert left > 0.9 * TTL * 1_000_000, "the renewal is not in the database"


async def test_a_renewal_that_cannot_reach_the_database_is_made_up_for_until_the_belief_ends(tmp_path: Path) -> None:
    async with on_sqlite(tmp_path) as shop:
        ann = Holder(shop, "ann")
        assert await ann.lease.hold() == 1
        ann.cut = True
        ann.at += TTL * 0.5
        assert await ann.lease.hold() == 1, "it has it still, whatever it cannot ask"
        ann.at += TTL * 0.4
        assert ann.lease.term is None, "a tenth before its end it is believed no more"
        with pytest.raises(Unavailable):
            await ann.lease.hold()
        ann.cut = False
        assert await ann.lease.hold() == 1, "nobody else took it"


async def test_who_slept_through_its_end_writes_nothing_also_when_nobody_took_it(tmp_path: Path) -> None:
    async with on_sqlite(tmp_path) as shop:
        ann, bob = Holder(shop, "ann"), Holder(shop, "bob")
        assert await ann.lease.hold() == 1
        await lapse(shop)
        assert ann.lease.term == 1, "its own clock stood still: it believes"
        assert not await ann.writes()
        assert await bob.lease.hold() == 2
        ann.at += TTL
        assert await ann.lease.hold() is None, "another has it now"
        await lapse(shop)
        assert await ann.lease.hold() == 3, "a term that somebody else had is never used again"
        assert (await ann.writes(), await bob.writes()) == (True, False)


async def test_a_database_s_clock_that_was_set_back_leaves_no_lease_to_the_dead(tmp_path: Path) -> None:
    async with on_sqlite(tmp_path) as shop:
        ann, bob = Holder(shop, "ann"), Holder(shop, "bob")
        assert await ann.lease.hold() == 1
        # An hour back; the lease's end is an hour farther away.
        await shop.database.commit(unit([(AHEAD, (3_600_000_000, "relay"))]))
        ann.at += TTL / 2
        assert (await ann.lease.hold(), await bob.lease.hold()) == (1, None), "who lives goes on, by a renewal"
        assert (await shop.database.read(((LEFT, ()),)))[0][0] <= TTL * 1_000_000
        await shop.database.commit(unit([(AHEAD, (3_600_000_000, "relay"))]))
        assert await bob.lease.hold() == 2, "who died has it for an hour"
        assert (await ann.writes(), await bob.writes()) == (False, True)


async def test_giving_back_what_another_has_by_now_takes_nothing_from_him(tmp_path: Path) -> None:
    async with on_sqlite(tmp_path) as shop:
        ann, bob = Holder(shop, "ann"), Holder(shop, "bob")
        assert await ann.lease.hold() == 1
        await lapse(shop)
        assert await bob.lease.hold() == 2
        await ann.lease.release()
        assert await bob.writes()


async def test_a_relay_that_slept_through_its_lease_moves_no_cursor(tmp_path: Path) -> None:
    async with on_sqlite(tmp_path) as shop:
        await shop.place("a", 1)
        for _ in range(2):
            await shop.relay.step()
        before = await shop.relay._events.look()
        await shop.place("b", 1)
        shop.database.bind((LAPSE,))
        await shop.database.commit(unit([(LAPSE, ("relay:broker",))]))
        await shop.relay.step()
        cursors = await shop.database.read(((CURSOR, ("broker",)),))
        assert [cursor.position for cursor in cursors[0]] == [before]
        assert shop.relay.position is None, "it looks again before it goes on"
