"""Projectors cut off from the database in the middle of a commit, or before a log with a hole: each event is folded once, the
checkpoint and the rows agree (I13), and nothing is ever skipped."""

import asyncio

import pytest

from armature.testing.faults import Blackhole, LoseAnswers, Pass, Reset

from .process.calls import calling
from .process.fleet import Fleet
from .process.patience import eventually
from .process.whole import Whole

pytestmark = pytest.mark.slow

SHORT = {"ARMATURE_DELIVERY__LEASE_SECONDS": "1"}


async def folded(fleet: Fleet, web: Whole) -> None:
    """The read models show what the log says, every version of every counter once."""
    await eventually(lambda: _agree(fleet, web), "the read models never agree with the log")


async def _agree(fleet: Fleet, web: Whole) -> bool:
    durable = await fleet.durable()
    totals = (await web.get("/v1/counters/totals")).json()
    if totals["value"] != sum(value for value, _ in durable.counters.values()) or totals["counters"] != len(durable.counters):
        return False
    for name, (_, version) in durable.counters.items():
        shown, cursor = [], ""
        while True:
            page = (await web.get(f"/v1/counters/{name}/history?limit=200{cursor}")).json()
            shown += [line["version"] for line in page["items"]]
            if not page.get("next_cursor"):
                break
            cursor = f"&cursor={page['next_cursor']}"
        if shown != list(range(1, version + 1)):
            return False
    return True


async def test_cut_in_the_middle_of_commits_each_event_is_folded_once(fleet: Fleet) -> None:
    async with (
        fleet.open("projector", **SHORT) as projector,
        fleet.parts("web", "sequencer", direct=True) as (web, _),
        calling([web]) as calls,
    ):
        await calls.more(10)
        for mode, before in ((LoseAnswers(), False), (Reset(), True), (LoseAnswers(), False)):
            cut = await asyncio.to_thread(fleet.postgres.when, b"commit\0", mode, before=before)
            await calls.more(10)
            await asyncio.to_thread(cut.wait, 30.0)
            assert cut.fired == 1
        await calls.more(10)
        calls.end()
        await folded(fleet, web)
        await eventually(lambda: _ready(projector), "it goes on and says that it does not")
    assert fleet.postgres.counts["LoseAnswers"] >= 2 and fleet.postgres.counts["Reset"] >= 1
    assert calls.refused == set()


async def test_one_that_is_cut_off_is_followed_by_the_other_and_changes_nothing_when_it_is_back(fleet: Fleet) -> None:
    async with (
        fleet.open("projector", **SHORT),
        fleet.parts("web", "sequencer", direct=True) as (web, _),
        fleet.open("projector", direct=True, **SHORT),
        calling([web]) as calls,
    ):
        await calls.more(20)
        # In the middle of a statement's messages the server waits for the rest, with the rows locked, until it knows better.
        await asyncio.to_thread(fleet.postgres.switch, Blackhole(keepalive=2))
        await calls.more(20)
        await asyncio.to_thread(fleet.postgres.wait, Blackhole, seconds=30.0)
        await folded_up_to_now(fleet, web)
        await asyncio.to_thread(fleet.postgres.switch, Pass())
        await calls.more(20)
        calls.end()
        await folded(fleet, web)
    rows = await fleet.sql(
        "select count(*) from armature_checkpoints c where c.position <> (select last from armature_head) "
        "and c.projection like 'counter.%'"
    )
    assert rows == "0", "a checkpoint went back, or stayed behind"


async def test_a_hole_in_the_log_halts_it_by_name_and_is_never_passed(fleet: Fleet) -> None:
    async with fleet.parts("web", "sequencer", direct=True) as (web, _), calling([web]) as calls:
        await calls.more(20)
        calls.end()
        await eventually(lambda: _numbered(fleet), "the log is never numbered")
    await fleet.sql("delete from armature_outbox where position = 7")
    async with fleet.open("projector", direct=True) as projector:
        await eventually(lambda: _halted(projector, "7"), "it does not say that position 7 is missing")
        reached = await fleet.sql("select max(position) from armature_checkpoints where projection like 'counter.%'")
        assert int(reached or 0) <= 6, "it went over the hole"


async def folded_up_to_now(fleet: Fleet, web: Whole) -> None:
    """Somebody folds what there was when this was called."""
    head = int(await fleet.sql("select last from armature_head"))

    async def there() -> bool:
        found = await fleet.sql("select min(position) from armature_checkpoints where projection like 'counter.%'")
        return int(found or 0) >= head

    await eventually(there, "nobody takes over")


async def _ready(projector: Whole) -> bool:
    return not projector.system.health.missing()


async def _halted(projector: Whole, position: str) -> bool:
    missing = " ".join(projector.system.health.missing())
    return position in missing and "counter." in missing


async def _numbered(fleet: Fleet) -> bool:
    return await fleet.sql("select not exists (select 1 from armature_outbox where position is null)") == "t"
