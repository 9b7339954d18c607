"""A NATS server that is killed, comes back older, or stands still under a fleet: the log makes up for it, and nobody is asked."""

import asyncio
from pathlib import Path

import pytest

from armature.testing.answer import Response

from .process.calls import calling
from .process.fleet import Breakable, Fleet, in_order
from .process.patience import eventually
from .process.whole import Whole
from .test_fleet_relay import SHORT, relay_of

pytestmark = pytest.mark.slow


async def test_a_broker_that_is_killed_and_comes_back_older_is_given_again_what_it_lost(
    breakable: Breakable, fleet: Fleet, tmp_path: Path
) -> None:
    nats = breakable.nats
    async with (
        fleet.aside() as there,
        fleet.open("relay", direct=True, **SHORT) as relaying,
    ):
        await fleet.join(there)
        async with calling([there]) as calls:
            await calls.more(30)
            await asyncio.to_thread(nats.stop)
            await asyncio.to_thread(nats.keep, tmp_path / "older")
            await asyncio.to_thread(nats.start)
            await calls.more(30)
            reached = max(told.position for told in (await fleet.durable()).log)
            await eventually(lambda: _past(relaying, reached), "the relay never goes on after a restart")
            await asyncio.to_thread(nats.kill9)
            await asyncio.to_thread(nats.roll_back, tmp_path / "older")
            await asyncio.to_thread(nats.start)
            # Under load: what is published behind the loss before anybody looks must not hide how much was lost.
            await calls.more(30)
        await fleet.folded()
        await eventually(lambda: _noticed(relaying), "the loss is never noticed")
        head = max(told.position for told in (await fleet.durable()).log)
        await eventually(lambda: _past(relaying, head), "the relay never comes to the end of the log")
        messages = await fleet.at_broker(there)
        assert calls.refused == set()
        assert {one.position for one in messages} >= set(range(1, head + 1))


async def test_while_the_broker_stands_still_writes_are_taken_and_read_models_follow(breakable: Breakable, fleet: Fleet) -> None:
    async with fleet.parts("web", "sequencer", "projector", direct=True) as (web, *_):
        path = await web.counter()
        await eventually(lambda: _shown(web, path, 1), "the read model never begins")
        await asyncio.to_thread(breakable.nats.pause)
        try:
            told = [await web.post(f"{path}/increment", json={"by": 1}) for _ in range(20)]
            assert {one.status for one in told} == {200}
            await eventually(lambda: _shown(web, path, 21), "without signals the read model does not follow")
            assert not web.system.health.missing(), "a web process is ready without a broker"
        finally:
            await asyncio.to_thread(breakable.nats.resume)
        assert (await web.post(f"{path}/increment", json={"by": 1})).status == 200


async def test_what_was_on_its_way_when_the_broker_was_killed_arrives_in_order(breakable: Breakable, fleet: Fleet) -> None:
    async with (
        fleet.aside() as there,
        fleet.open("relay", direct=True, **SHORT),
    ):
        await fleet.join(there)
        kills = 0
        async with calling([there]) as calls:
            for _ in range(3):
                await calls.more(25)
                await asyncio.to_thread(breakable.nats.kill9)
                await asyncio.to_thread(breakable.nats.start)
                kills += 1
        in_order(await fleet.at_broker(there))
        assert kills == 3 and calls.refused == set()


async def _past(relaying: Whole, position: int) -> bool:
    return (relay_of(relaying).position or 0) >= position


async def _shown(web: Whole, path: str, lines: int) -> bool:
    answer: Response = await web.get(f"{path}/history?limit=200")
    return answer.status == 200 and len(answer.json()["items"]) == lines


async def _noticed(relaying: Whole) -> bool:
    return relay_of(relaying).regressions > 0
