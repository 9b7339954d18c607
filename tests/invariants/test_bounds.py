"""I11, I32, I33: a log behind what was read from it halts its readers by name; more callers than there is room for are sent away
with a word and cost no more than the room; and with every store away nobody is let in who would not be otherwise."""

import asyncio
import threading

import pytest

from armature.testing.faults import Refuse
from tests.faults.process.calls import calling
from tests.faults.process.fleet import Fleet
from tests.faults.process.patience import eventually
from tests.faults.process.whole import Whole

pytestmark = pytest.mark.slow

OLDER = """
delete from armature_outbox where position > 10;
update armature_head set last = 10;
"""
CROWD, RUNNING, WAITING, CONNECTIONS = 600, 16, 32, 4


async def test_readers_of_a_log_that_is_behind_them_halt_by_name(fleet: Fleet) -> None:
    async with fleet.parts("web", "sequencer", "relay", direct=True) as (web, *_), calling([web]) as calls:
        await calls.more(30)
        calls.end()
        await eventually(lambda: _cursor(fleet, 30), "the relay never follows")
    # An older copy of the database comes back; the note of how far the relay has come is elsewhere, or newer.
    await fleet.sql(OLDER)
    async with fleet.open("relay", direct=True) as relaying:
        await eventually(lambda: _missing(relaying, "relay"), "it does not say that the log is behind it")
        assert await _cursor(fleet, 30), "it went on as if nothing were wrong"


async def test_a_crowd_is_sent_away_with_a_word_and_costs_no_more_than_there_is_room_for(fleet: Fleet) -> None:
    room = {
        "ARMATURE_COMMANDS__DEADLINE_SECONDS": "60",  # nobody is sent away because this machine is slow
        "ARMATURE_HTTP__RUNNING_MAX": str(RUNNING),
        "ARMATURE_HTTP__WAITING_MAX": str(WAITING),
        "ARMATURE_POSTGRES__READ_CONNECTIONS": str(CONNECTIONS),
        "ARMATURE_POSTGRES__WRITE_CONNECTIONS": str(CONNECTIONS),
    }
    async with fleet.open("web", direct=True, **room) as web:
        path = await web.counter()
        threads = threading.active_count()
        held = []

        async def look() -> None:
            while True:
                held.append(int(await fleet.sql("select count(*) from pg_stat_activity where datname = current_database()")))

        looking = asyncio.create_task(look())
        told = await asyncio.gather(*(web.post(f"{path}/increment", json={"by": 1}) for _ in range(CROWD)))
        served = [one for one in told if one.status == 200]
        away = [one for one in told if one.status != 200]
        again = await asyncio.gather(*(web.post(f"{path}/increment", json={"by": 1}) for _ in range(RUNNING)))
        looking.cancel()
        value = (await web.get(path)).json()["value"]
    assert away and {one.status for one in away} == {503}, "nobody was sent away: this was no crowd"
    assert all("retry-after" in one.headers for one in away)
    assert len(served) >= RUNNING, "room was left empty"
    assert {one.status for one in again} == {200}, "it does not recover"
    assert value == len(served) + len(again)
    # Readers, writers, the sequencer's lane, the binding session; and who is looking.
    assert held and max(held) <= 2 * CONNECTIONS + 3
    assert threading.active_count() <= threads + 40


async def test_with_every_store_away_nobody_is_let_in(fleet: Fleet) -> None:
    async with fleet.open("web", ARMATURE_POSTGRES__ACQUIRE_SECONDS="0.5", ARMATURE_COMMANDS__DEADLINE_SECONDS="2") as web:
        path = await web.counter()
        wires = (fleet.postgres, fleet.redis, fleet.nats)
        callers = [
            ({"x-actor": "none"}, 401),
            ({"x-actor": "ann"}, 403),
            ({"x-actor": "ann", "x-roles": "counter.reader"}, 403),
            ({"x-actor": "ann", "x-roles": "no.such.role"}, 403),
        ]
        asked = [("increment", {"by": 1}), ("reset", {}), ("decrement", {"by": 1})]
        for verb, body in asked:
            for who, status in callers:
                assert (await web.post(f"{path}/{verb}", json=body, headers=who)).status == status
        for wire in wires:
            await asyncio.to_thread(wire.switch, Refuse())
        for verb, body in asked:
            for who, status in callers:
                told = await web.post(f"{path}/{verb}", json=body, headers=who)
                assert told.status in (status, 503, 504), f"{verb} as {who}: {told.status}"
            allowed = await web.post(f"{path}/{verb}", json=body, headers={"x-actor": "ann", "x-roles": "counter.writer"})
            assert allowed.status in (503, 504), "a command without a database"
        assert (await web.get(path, headers={"x-actor": "none"})).status in (401, 503)
        assert all(wire.counts["Refuse"] >= 1 for wire in wires)


async def _cursor(fleet: Fleet, least: int) -> bool:
    found = await fleet.sql("select coalesce(max(position), 0) from armature_cursors where sink = 'broker'")
    return int(found) >= least


async def _missing(there: Whole, word: str) -> bool:
    return any(word in reason for reason in there.system.health.missing())
