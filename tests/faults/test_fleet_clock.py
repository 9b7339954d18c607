"""Clocks that jump by hours on some processes of a fleet: leases, positions and read models rest on none of them."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from armature.runtime.wire import Given
from armature.testing.judges import judge

from .process.calls import calling
from .process.fleet import Fleet, in_order

pytestmark = pytest.mark.slow

HOURS = 2
SHORT = {"ARMATURE_DELIVERY__LEASE_SECONDS": "2", "ARMATURE_DELIVERY__BROKER_CHECK_SECONDS": "0.2"}


class Jumping:
    """A clock that is somewhere within hours of the truth, elsewhere each time, and counts how often it went back."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        self._last = datetime.min.replace(tzinfo=UTC)
        self.backward = 0

    def now(self) -> datetime:
        """Return some time."""
        now = datetime.now(UTC) + timedelta(hours=self._dice.uniform(-HOURS, HOURS))
        self.backward += now < self._last
        self._last = now
        return now


async def test_clocks_that_jump_by_hours_lose_nothing_and_take_no_lease_away(fleet: Fleet) -> None:
    clocks = [Jumping(seed) for seed in range(4)]
    askew = [Given(now=clock.now) for clock in clocks]
    async with (
        fleet.open("web", direct=True, given=askew[0]) as late,
        fleet.open("web", direct=True) as punctual,
        fleet.open("sequencer", direct=True, given=askew[1]),
        fleet.open("relay", direct=True, given=askew[2], **SHORT) as relaying,
        fleet.open("projector", direct=True, given=askew[3], **SHORT),
    ):
        await fleet.join(relaying)
        async with calling([late, punctual], clients=8) as calls:
            await calls.more(150)
        in_order(await fleet.at_broker(relaying))
        await fleet.folded()
        durable = await fleet.durable()
        totals = (await punctual.get("/v1/counters/totals")).json()
        assert totals["value"] == sum(value for value, _ in durable.counters.values())
    # Sequencer and relay ask no clock but the database's and their own monotonic one, which is the point.
    assert clocks[0].backward > 0 and clocks[3].backward > 0, "the clocks never went back: the test proves nothing"
    assert calls.refused == set(), "a key expired, a deadline passed or a lease was lost for a clock's sake"
    judge(durable, calls.history)
    terms = await fleet.sql("select max(term) from armature_leases")
    assert int(terms) == 1, "somebody took a lease that was held"
