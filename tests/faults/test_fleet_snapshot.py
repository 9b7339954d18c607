"""Somebody who holds a snapshot for long, a report or a forgotten session: what was changed since cannot be cleaned away, and
commands, numbering, relay and retention go on all the same, hardly slower than beside it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from armature.adapters.postgres.session import Session, connected

from .process.calls import Calls, calling
from .process.fleet import Breakable, Fleet, fleet_on
from .process.patience import eventually
from .process.whole import Whole

pytestmark = pytest.mark.slow

COMMANDS = 2_500
ROUND = 250
SHARE = 0.5
"""Of the throughput beside it, at least."""
FORGETFUL = {
    "ARMATURE_RETENTION__SWEEP_SECONDS": "0.5",
    "ARMATURE_RETENTION__SEGMENT_EVENTS": "200",
    "ARMATURE_RETENTION__LOG_DAYS": "0.00001",
    "ARMATURE_IDEMPOTENCY__TTL_SECONDS": "5",
    "ARMATURE_COMMANDS__DEADLINE_SECONDS": "60",
    "ARMATURE_COMMANDS__TURN_SECONDS": "10",
}
HELD_BACK = "select coalesce(max(age(backend_xmin)), 0) from pg_stat_activity where application_name = 'report'"
LOG = """
select (select count(*) from armature_outbox) + (select coalesce(sum(events), 0) from armature_segments),
       (select coalesce(max(position), 0) from armature_outbox), (select coalesce(max(last_id), 0) from armature_segments),
       (select position from armature_cursors where sink = 'broker'),
       (select count(*) from armature_keys)
"""


@asynccontextmanager
async def under_load(fleet: Fleet) -> AsyncIterator[tuple[Whole, Calls]]:
    """All roles in one process, and callers."""
    async with fleet.open(direct=True, **FORGETFUL) as there, calling([there], clients=8, counters=6) as calls:
        yield there, calls


def look(session: Session) -> int:
    (found,) = session.rows("select count(*) from armature_outbox")
    return int(found[0])


async def test_a_snapshot_held_for_long_slows_nobody_down_and_blocks_nothing(
    breakable: Breakable, fleet: Fleet, tmp_path: Path
) -> None:
    # Side by side on one server, so that whatever else this machine does meets both: a snapshot holds back its database alone.
    with fleet_on(breakable, tmp_path / "beside") as other:
        async with under_load(fleet) as (there, calls), under_load(other) as (_, beside):
            await asyncio.gather(calls.more(50), beside.more(50))
            url = fleet.servers.postgres.url(fleet.database)
            with connected(url, application_name="report") as report:
                await asyncio.to_thread(report.run, "begin isolation level repeatable read")
                seen = await asyncio.to_thread(look, report)
                mine, theirs = calls.acknowledged, beside.acknowledged
                while beside.acknowledged - theirs < COMMANDS:
                    await beside.more(ROUND)
                mine, theirs = calls.acknowledged - mine, beside.acknowledged - theirs
                assert await asyncio.to_thread(look, report) == seen > 0, "the snapshot was not held"
                assert int(await fleet.sql(HELD_BACK)) > mine // 50, "it held nothing back"
                assert mine >= theirs * SHARE, f"{mine} commands beside {theirs} where nobody held a snapshot"
                assert calls.refused == beside.refused == set()
                calls.end()
                beside.end()
                await eventually(lambda: carried(fleet, calls.acknowledged), "numbering, relay or retention stands still")
                assert there.system.health.missing() == []
                await asyncio.to_thread(report.run, "rollback")
    assert await value(fleet) == moved(calls)


async def carried(fleet: Fleet, commands: int) -> bool:
    """Whether every event has its number and is at the broker, most of them in the archive, and old keys are forgotten."""
    events, head, archived, cursor, keys = map(int, (await fleet.sql(LOG)).split("|"))
    return events >= commands and max(head, archived) == events == cursor and archived > events // 2 and keys < commands // 2


async def value(fleet: Fleet) -> int:
    return int(await fleet.sql("select sum(value) from counter_counters"))


def moved(calls: Calls) -> int:
    return sum(line.by for line in calls.history if line.what == "ok")
