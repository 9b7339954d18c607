"""A broker that is away for long: events wait in the log, nobody notices, until as many wait as may. From then on commands that
would tell events are sent away with a word, reads and kept answers go on; after its return all of the log arrives in order."""

import asyncio

import pytest

from armature.testing.answer import Response
from armature.testing.faults import Pass, Refuse
from armature.testing.judges import judge

from .process.calls import calling
from .process.fleet import Fleet, in_order
from .process.patience import eventually
from .process.whole import Whole

pytestmark = pytest.mark.slow

MOST = 150
BEFORE = 100
"""Fewer than may wait, with those that counters begin with."""
LIMITS = {
    "ARMATURE_DELIVERY__BACKLOG_MAX": str(MOST),
    "ARMATURE_DELIVERY__BROKER_CHECK_SECONDS": "0.2",
    "ARMATURE_PROJECTIONS__LAG_SLO_SECONDS": "600",
}
KEYED = {"idempotency-key": "before"}


async def test_beyond_what_may_wait_for_the_broker_only_commands_that_tell_events_are_refused(fleet: Fleet) -> None:
    async with (
        fleet.open("relay", **LIMITS),
        fleet.open("web", direct=True, **LIMITS) as web,
        fleet.open("sequencer", direct=True, **LIMITS),
    ):
        await fleet.join(web)
        path = await web.counter()
        kept = await step(web, path, **KEYED)
        assert kept.status == 200
        await eventually(lambda: waiting(web, 0, 0), "the relay never carries anything")
        await asyncio.to_thread(fleet.nats.switch, Refuse())
        async with calling([web], seed=2) as calls:
            await calls.more(BEFORE)
            assert calls.refused == set(), "the broker is no caller's business while there is room"
            await eventually(lambda: refused(web, path), "nobody is ever refused")
            at_most = int(await fleet.sql("select count(*) from armature_outbox"))
            assert at_most >= MOST
            await beside(web, path, kept)
            # They go on asking, and are told the same until the broker is back.
            assert fleet.nats.counts["Refuse"] >= 1
            await asyncio.to_thread(fleet.nats.switch, Pass())
            await calls.more(20)
        assert calls.refused == {(503, "system:unavailable")}
        in_order(await fleet.at_broker(web))
        judge(await fleet.durable(), calls.history)
        await eventually(lambda: waiting(web, 0, 0), "the gauge stays up")


async def beside(web: Whole, path: str, kept: Response) -> None:
    """What goes on while nothing may be told."""
    told = await step(web, path)
    assert told.status == 503 and int(told.headers["retry-after"]) >= 1
    assert "events wait already" in told.body.decode()
    value = (await web.get(path)).json()["value"]
    assert (await web.get("/v1/counters")).status == 200
    again = await step(web, path, **KEYED)
    assert (again.status, again.body, again.headers["idempotent-replayed"]) == (200, kept.body, "true")
    missing = f"{path[:-12]}{'0' * 12}"
    assert (await step(web, missing)).status == 404, "whoever is refused for another reason hears that one"
    assert (await web.get(path)).json()["value"] == value, "a refused command had an effect"
    assert (await web.get("/readyz")).status == 200
    assert await waiting(web, MOST, 10 * MOST)


async def step(web: Whole, path: str, **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await web.post(f"{path}/increment", json={"by": 1}, headers=named)


async def refused(web: Whole, path: str) -> bool:
    return (await step(web, path)).status == 503


async def waiting(web: Whole, least: int, most: int) -> bool:
    """Whether the gauge is between these."""
    lines = (await web.get("/metrics")).body.decode().splitlines()
    (found,) = [float(line.split()[1]) for line in lines if line.startswith("armature_delivery_backlog ")]
    return least <= found <= most
