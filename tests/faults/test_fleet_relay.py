"""The relay while its broker is away, its acks are lost, or it is cut off from its lease: the log reaches the broker whole and in
each stream's order, callers notice nothing, and of two relays one moves the cursor."""

import asyncio

import pytest

from armature.engine.relay import Relay
from armature.runtime.roles.relay import RelayRole
from armature.testing.faults import Blackhole, LoseAnswers, Pass, Refuse

from .process.calls import calling
from .process.fleet import Fleet, in_order
from .process.patience import eventually
from .process.whole import Whole

pytestmark = pytest.mark.slow

SHORT = {"ARMATURE_DELIVERY__LEASE_SECONDS": "1", "ARMATURE_DELIVERY__BROKER_CHECK_SECONDS": "0.2"}


def relay_of(there: Whole) -> Relay:
    (role,) = [one for one in there.system.background._roles if isinstance(one, RelayRole)]
    return role.relay


async def test_while_the_broker_is_away_callers_notice_nothing_and_then_everything_arrives_in_order(fleet: Fleet) -> None:
    async with fleet.open("relay", **SHORT) as relaying, fleet.aside() as there:
        await fleet.join(there)
        await asyncio.to_thread(fleet.nats.switch, Refuse())
        async with calling([there]) as calls:
            await calls.more(60)
        assert calls.refused == set(), "the broker is no caller's business"
        assert fleet.nats.counts["Refuse"] >= 1
        relay = relay_of(relaying)
        behind = (await fleet.durable()).log[-1].position - (relay.position or 0)
        assert behind > 40, "the relay went on without a broker"
        await eventually(lambda: _readyz(relaying, 503), "a relay without a broker says that it is ready")
        await asyncio.to_thread(fleet.nats.switch, Pass())
        in_order(await fleet.at_broker(there))
        await eventually(lambda: _readyz(relaying, 200), "it is never ready again")


async def test_acks_that_are_lost_cost_a_second_publish_and_no_event(fleet: Fleet) -> None:
    async with fleet.open("relay", **SHORT), fleet.aside() as there:
        await fleet.join(there)
        lost = [await asyncio.to_thread(fleet.nats.when, b"HPUB", LoseAnswers(), nth=nth) for nth in (5, 30, 60)]
        async with calling([there]) as calls:
            # How many events share a write to the broker is the machine's pace.
            for _ in range(100):
                await calls.more(20)
                if all(one.fired for one in lost):
                    break
        messages = await fleet.at_broker(there)
        assert [one.fired for one in lost] == [1, 1, 1] and fleet.nats.counts["LoseAnswers"] >= 1
        in_order(messages)
        assert len(messages) == len({one.event_id for one in messages}), "inside the window the broker stores nothing twice"
        head = len((await fleet.durable()).log)
        await eventually(lambda: _at(fleet, head), "the cursor does not come to the end of the log")


async def test_a_relay_that_loses_sight_of_the_database_is_followed_by_the_other_and_overwrites_nothing(fleet: Fleet) -> None:
    async with (
        fleet.aside() as there,
        fleet.open("relay", **SHORT) as cut_off,
    ):
        await fleet.join(there)
        await there.counter("before")
        await eventually(lambda: _position(relay_of(cut_off)), "the first relay never begins")
        async with fleet.open("relay", direct=True, **SHORT) as other:
            assert relay_of(other).position is None, "two relays at once"
            async with calling([there]) as calls:
                await calls.more(20)
                await asyncio.to_thread(fleet.postgres.switch, Blackhole(keepalive=2))
                await eventually(lambda: _position(relay_of(other)), "nobody takes over")
                await calls.more(20)
                # What the first one had on its way arrives now, under a term that is over.
                await asyncio.to_thread(fleet.postgres.switch, Pass())
                await calls.more(20)
            assert fleet.postgres.counts["Blackhole"] >= 1
            in_order(await fleet.at_broker(there))
            head = len((await fleet.durable()).log)
            await eventually(lambda: _at(fleet, head), "the cursor does not come to the end of the log")
            terms = await fleet.sql("select term from armature_cursors where sink = 'broker'")
            assert int(terms) == 2


async def _position(relay: Relay) -> bool:
    return relay.position is not None


async def _at(fleet: Fleet, head: int) -> bool:
    return int(await fleet.sql("select position from armature_cursors where sink = 'broker'")) == head


async def _readyz(there: Whole, wanted: int) -> bool:
    return bool(there.system.health.missing()) == (wanted == 503)
