"""Redis away, silent, killed or older under a fleet: who only keeps answers and counts there goes on without, and as a broker
it is given again what it lost."""

import asyncio
from pathlib import Path

import pytest

from armature.testing.answer import Response
from armature.testing.faults import Blackhole, Pass, Refuse
from armature.testing.faults.link import Mode

from .process.calls import calling
from .process.fleet import Breakable, Fleet, in_order
from .process.patience import eventually
from .process.whole import Whole
from .test_fleet_relay import SHORT, relay_of

pytestmark = pytest.mark.slow

AWAY = {("cache",): 0.0, ("limiter",): 0.0}


@pytest.mark.parametrize("fault", [Refuse(), Blackhole()], ids=["refuses", "silent"])
async def test_without_a_cache_and_a_limiter_a_web_process_answers_and_says_what_is_away(fleet: Fleet, fault: Mode) -> None:
    async with fleet.open("web", ARMATURE_OBSERVE__DEPENDENCY_SECONDS="0.2") as web:
        path = await web.counter()
        await eventually(lambda: _states(web, 1.0), "the dependencies are never seen")
        await asyncio.to_thread(fleet.redis.switch, fault)
        async with asyncio.timeout(30):
            told = await asyncio.gather(*(_step(web, path) for _ in range(20)))
            assert {one.status for one in told} == {200}
            assert (await web.get(path)).json()["value"] == 20
            # A limited operation is counted here alone, or refused while its store is away; it is never a bug.
            limited = await web.post(f"{path}/reset", json={})
            assert limited.status in (200, 503), limited.body
        assert fleet.redis.counts[type(fault).__name__] >= 1
        await eventually(lambda: _states(web, 0.0), "nobody notices")
        assert not web.system.health.missing(), "it can do without and says that it cannot"
        await asyncio.to_thread(fleet.redis.switch, Pass())
        await eventually(lambda: _states(web, 1.0), "it is never seen again")
        await eventually(lambda: _resets(web, path), "limits are never counted again")


async def test_as_a_broker_killed_under_load_it_has_everything_once_and_in_order(breakable: Breakable, fleet: Fleet) -> None:
    async with (
        fleet.aside() as there,
        fleet.open("relay", topology="fleet-redis", direct=True, **SHORT) as relaying,
    ):
        await fleet.join(relaying)
        lives = set()
        async with calling([there]) as calls:
            for _ in range(3):
                await calls.more(25)
                lives.add(breakable.redis.pid)
                await asyncio.to_thread(breakable.redis.kill9)
                await asyncio.to_thread(breakable.redis.start)
        assert len(lives) == 3 and calls.refused == set()
        in_order(await fleet.at_broker(relaying))


async def test_as_a_broker_that_came_back_older_it_is_given_again_what_it_lost(
    breakable: Breakable, fleet: Fleet, tmp_path: Path
) -> None:
    redis = breakable.redis
    async with (
        fleet.aside() as there,
        fleet.open("relay", topology="fleet-redis", direct=True, **SHORT) as relaying,
    ):
        await fleet.join(relaying)
        async with calling([there]) as calls:
            await calls.more(20)
            await asyncio.to_thread(redis.stop)
            await asyncio.to_thread(redis.keep, tmp_path / "older")
            await asyncio.to_thread(redis.start)
            await calls.more(30)
            reached = max(told.position for told in (await fleet.durable()).log)
            await eventually(lambda: _past(relaying, reached), "the relay never goes on after a restart")
            await asyncio.to_thread(redis.kill9)
            await asyncio.to_thread(redis.roll_back, tmp_path / "older")
            await asyncio.to_thread(redis.start)
            # Under load: what is published behind the loss before anybody looks must not hide how much was lost.
            await calls.more(20)
        await fleet.folded()
        await eventually(lambda: _noticed(relaying), "the loss is never noticed")
        head = max(told.position for told in (await fleet.durable()).log)
        await eventually(lambda: _past(relaying, head), "the relay never comes to the end of the log")
        messages = await fleet.at_broker(relaying)
        assert {one.position for one in messages} >= set(range(1, head + 1))
        assert calls.refused == set()


async def _step(web: Whole, path: str) -> Response:
    return await web.post(f"{path}/increment", json={"by": 1})


async def _states(web: Whole, state: float) -> bool:
    states = web.system.background.observer.states()
    return all(states[name] == state for name in AWAY)


async def _resets(web: Whole, path: str) -> bool:
    return (await web.post(f"{path}/reset", json={})).status == 200


async def _past(relaying: Whole, position: int) -> bool:
    return (relay_of(relaying).position or 0) >= position


async def _noticed(relaying: Whole) -> bool:
    return relay_of(relaying).regressions > 0
