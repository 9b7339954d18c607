"""PostgreSQL that is away, silent, killed, frozen or out of space, under a whole system: callers hear the truth soon, nothing
acknowledged is lost, and nobody has to be restarted."""

import asyncio
import os
from contextlib import ExitStack

import pytest

from armature.testing.answer import Response
from armature.testing.faults import Blackhole, FileSizeLimit, NoSmallDisk, Pass, Refuse, SmallDisk
from armature.testing.faults.link import Mode
from armature.testing.judges import judge
from armature.testing.servers import LocalPostgres

from .process.calls import calling
from .process.fleet import Breakable, Fleet
from .process.patience import eventually
from .process.whole import Whole

pytestmark = pytest.mark.slow

HURRY = {"ARMATURE_COMMANDS__DEADLINE_SECONDS": "2", "ARMATURE_POSTGRES__ACQUIRE_SECONDS": "1"}
CALLERS = 60
IN_FLIGHT_MAX = 20
"""More than are on their way when a server stops: what a link of turns and two batches hold of a few callers."""
LARGE_BYTES = 16_777_216


async def steps(there: Whole, path: str, count: int) -> list[Response]:
    return list(await asyncio.gather(*(there.post(f"{path}/increment", json={"by": 1}) for _ in range(count))))


async def serves(there: Whole, path: str) -> bool:
    return (await there.post(f"{path}/increment", json={"by": 1})).status == 200


async def ready(there: Whole, wanted: int) -> bool:
    return (await there.get("/readyz")).status == wanted


@pytest.mark.parametrize("fault", [Refuse(), Blackhole()], ids=["refuses", "silent"])
async def test_while_the_database_is_away_everybody_is_told_soon_and_served_again_when_it_is_back(
    fleet: Fleet, fault: Mode
) -> None:
    async with fleet.open(topology="single-postgres", **HURRY) as there:
        path = await there.counter()
        await eventually(lambda: ready(there, 200), "never ready")
        await asyncio.to_thread(fleet.postgres.switch, fault)
        async with asyncio.timeout(20):  # ten times the deadline: nobody queues behind the others
            told = await steps(there, path, CALLERS)
        assert {one.status for one in told} <= {503, 504}, [one.body for one in told]
        assert all("retry-after" in one.headers for one in told if one.status == 503)
        assert fleet.postgres.counts[type(fault).__name__] >= 1
        assert (await there.get("/livez")).status == 200
        await eventually(lambda: ready(there, 503), "it says that it is ready without a database")
        assert "database" in str((await there.get("/readyz")).json()["missing"])
        await asyncio.to_thread(fleet.postgres.switch, Pass())
        await eventually(lambda: serves(there, path), "it never serves again")
        await eventually(lambda: ready(there, 200), "it is never ready again")


async def test_a_database_killed_again_and_again_under_load_keeps_what_it_acknowledged(
    breakable: Breakable, fleet: Fleet
) -> None:
    async with fleet.open(topology="single-postgres", direct=True, **HURRY) as there, calling([there]) as calls:
        lives = set()
        for _ in range(3):
            await calls.more(60)
            lives.add(breakable.postgres.pid)
            await asyncio.to_thread(breakable.postgres.kill9)
            await asyncio.to_thread(breakable.postgres.start)
        await calls.more(60)
    assert len(lives) == 3 and breakable.postgres.pid not in lives
    assert any(status == 503 for status, _ in calls.refused), "nobody noticed: nothing was broken"
    judge(await _numbered(fleet), calls.history)


async def test_a_database_that_stands_still_holds_nobody_beyond_the_deadline_and_loses_nothing(
    breakable: Breakable, fleet: Fleet
) -> None:
    async with fleet.open(topology="single-postgres", direct=True, **HURRY) as there, calling([there], clients=12) as calls:
        await calls.more(50)
        await asyncio.to_thread(breakable.postgres.pause)
        try:
            await eventually(lambda: _refused(calls.refused), "nobody was told while it stood still")
            assert (await there.get("/livez")).status == 200
            # Whoever finds all hands full is let go at its deadline; only what is on its way waits to hear the truth.
            told = await _at_the_deadline(there, calls.paths[0])
            assert {one.status for one in told} <= {503, 504}, [one.body for one in told]
        finally:
            await asyncio.to_thread(breakable.postgres.resume)
        await calls.more(50)
    assert {status for status, _ in calls.refused} <= {503, 504}
    judge(await _numbered(fleet), calls.history)
    held = await fleet.sql("select count(*) from pg_stat_activity where datname = current_database() and state like 'idle in%'")
    assert held == "0", "a transaction of somebody who was sent away stands open"


async def test_a_full_disk_refuses_writes_whole_and_space_is_all_it_needs(breakable: Breakable, fleet: Fleet) -> None:
    with ExitStack() as stack:
        try:
            disk = stack.enter_context(SmallDisk(24, owner=LocalPostgres.user if os.geteuid() == 0 else None))
        except NoSmallDisk as refused:
            assert "cannot be mounted" in str(refused)
            return await _limited(breakable, fleet)
        space = f"small_{fleet.database}"
        breakable.postgres.sql(f"create tablespace {space} location '{disk.path}'")
        await fleet.sql(f"alter table armature_outbox set tablespace {space}")
        async with fleet.open(topology="single-postgres", direct=True, **HURRY) as there:
            await _while_full(there, fleet, disk.fill, disk.free)
        assert disk.fills == 1
        breakable.postgres.sql(f'drop database "{fleet.database}" with (force)')
        breakable.postgres.sql(f"drop tablespace {space}")
    return None


async def _limited(breakable: Breakable, fleet: Fleet) -> None:
    """Who may not mount has a limit on the size of files; it meets a table that is as large already."""
    with ExitStack() as limits:
        await fleet.sql(f"create table ballast as select repeat('x', 1000) from generate_series(1, {LARGE_BYTES // 1000})")
        async with fleet.open(topology="single-postgres", direct=True, **HURRY) as there:
            path = await there.counter()
            limit = limits.enter_context(FileSizeLimit(breakable.postgres.pid, LARGE_BYTES))
            assert limit.limited > 0
            with pytest.raises(RuntimeError, match="File too large"):
                await fleet.sql("insert into ballast select repeat('x', 1000) from generate_series(1, 20000)")
            assert await serves(there, path)


async def _while_full(there: Whole, fleet: Fleet, fill: object, free: object) -> None:
    path = await there.counter()
    acknowledged = 0
    fill()  # type: ignore[operator]
    told: list[Response] = []
    async with asyncio.timeout(60):
        while not any(one.status != 200 for one in told):  # what is left of the table's last page is used up first
            told = await steps(there, path, CALLERS)
            acknowledged += sum(one.status == 200 for one in told)
    assert {one.status for one in told} <= {200, 503}, {one.body for one in told}
    assert any("disk is full" in one.body.decode() for one in told), {one.body for one in told}
    seen = await there.get(path)
    assert (seen.status, seen.json()["value"]) == (200, acknowledged), "reads go on, and show what was acknowledged"
    free()  # type: ignore[operator]
    await eventually(lambda: serves(there, path), "it never serves again")
    assert (await there.get(path)).json()["value"] == acknowledged + 1
    events = await fleet.sql("select count(*) from armature_outbox where type = 'counter.changed'")
    assert int(events) == acknowledged + 1


async def _at_the_deadline(there: Whole, path: str) -> list[Response]:
    asked = [asyncio.create_task(there.post(f"{path}/increment", json={"by": 1})) for _ in range(CALLERS)]
    await eventually(lambda: _told(asked, CALLERS - IN_FLIGHT_MAX), "they are held beyond their deadline", seconds=8)
    told = [one.result() for one in asked if one.done()]
    for one in asked:
        one.cancel()
    await asyncio.gather(*asked, return_exceptions=True)
    return told


async def _told(asked: list["asyncio.Task[Response]"], count: int) -> bool:
    return sum(one.done() for one in asked) >= count


async def _refused(refused: set[tuple[int, str]]) -> bool:
    return any(status in (503, 504) for status, _ in refused)


async def _numbered(fleet: Fleet):  # type: ignore[no-untyped-def]
    """What is stored; who numbers it may be gone by now, so the judges are shown the order of the ids."""
    await fleet.sql(
        """
with late as (select id, row_number() over (order by id) as k from armature_outbox where position is null),
     head as (select last from armature_head)
update armature_outbox o set position = head.last + late.k from late, head where late.id = o.id
"""
    )
    return await fleet.durable()
