"""Numbering whose connection is cut at every step, behind a writer who takes his time, and beside one who holds the lock and is
gone: positions are dense, given once, never changed (I7), and in each stream's order (I8)."""

import asyncio

import asyncpg
import pytest

from armature.testing.faults import Blackhole, LoseAnswers, Pass, Reset
from armature.testing.faults.link import Mode
from armature.testing.judges import judge

from .process.calls import calling
from .process.fleet import Fleet
from .process.patience import eventually

pytestmark = pytest.mark.slow

AUDIT = """
create table renumbered (id bigint not null, before bigint, after bigint);
create function note_renumbering() returns trigger language plpgsql security definer as $$
begin
    insert into public.renumbered values (old.id, old.position, new.position);
    return new;
end $$;
create trigger note after update of position on armature_outbox
   for each row when (old.position is not null and old.position is distinct from new.position)
   execute function note_renumbering();
"""
CUTS: list[tuple[bytes, Mode, bool]] = [
    (b"for update", Reset(), True),
    (b"for update", LoseAnswers(), False),
    (b"with todo", LoseAnswers(), False),
    (b"commit\0", Reset(), True),
    (b"commit\0", LoseAnswers(), False),
]
"""Before the lock, under it, after numbering, before COMMIT, and after a COMMIT that nobody heard of."""
LATE = """
insert into armature_outbox (event_id, type, schema, tenant_id, stream, stream_version, payload, correlation_id, causation_id,
                             actor, partition, occurred_at)
values (gen_random_uuid(), 'x.y', 1, 'acme', 'late/1', 1, '{}', 'c', 'c', 'ann', 0, now())
"""


async def final(fleet: Fleet) -> int:
    """Positions are 1..N and none ever changed; return N."""
    assert await fleet.sql("select count(*) from renumbered") == "0"
    row = await fleet.sql(
        "select count(*), count(distinct position), coalesce(max(position), 0), last from armature_outbox, "
        "armature_head group by last"
    )
    count, different, last, head = map(int, row.split("|"))
    assert count == different == last == head
    return count


async def test_cut_at_every_step_of_numbering_each_event_has_one_position(fleet: Fleet) -> None:
    await fleet.sql(AUDIT)
    async with fleet.open("sequencer"), fleet.parts("web", "projector", direct=True) as (web, _), calling([web]) as calls:
        await calls.more(10)
        for pattern, mode, before in CUTS:
            cut = await asyncio.to_thread(fleet.postgres.when, pattern, mode, before=before)
            await calls.more(10)
            await asyncio.to_thread(cut.wait, 30.0)
            assert cut.fired == 1
        await calls.more(10)
        calls.end()
        await fleet.folded()
    assert fleet.postgres.counts["LoseAnswers"] >= 3 and fleet.postgres.counts["Reset"] >= 2
    judge(await fleet.durable(), calls.history)
    assert await final(fleet) == len(calls.paths) + calls.acknowledged


async def test_a_writer_who_takes_his_time_holds_nobody_up_and_comes_later(fleet: Fleet) -> None:
    await fleet.sql(AUDIT)
    late = await asyncpg.connect(fleet.servers.postgres.url(fleet.database))
    async with fleet.parts("web", "sequencer", "projector", direct=True) as (web, *_), calling([web]) as calls:
        await calls.more(5)
        transaction = late.transaction()
        await transaction.start()
        await late.execute(LATE)
        await calls.more(20)
        numbered = "select count(*) >= 20 from armature_outbox where position is not null"
        await eventually(lambda: _true(fleet, numbered), "nobody is numbered while somebody writes")
        before = int(await fleet.sql("select max(position) from armature_outbox"))
        await transaction.commit()
        await late.close()
        await eventually(
            lambda: _true(fleet, "select bool_and(position is not null) from armature_outbox where stream = 'late/1'"),
            "who came late has no position",
        )
        after = int(await fleet.sql("select position from armature_outbox where stream = 'late/1'"))
        assert after > before, "a position behind one that was given already: a reader may have passed it"
    async with fleet.open("sequencer", direct=True) as sequencer:
        await eventually(lambda: _true(fleet, "select not exists (select 1 from armature_outbox where position is null)"), "rest")
        assert sequencer.system.background.readiness() == []
    await final(fleet)


async def test_a_sequencer_that_is_gone_with_the_lock_is_put_out_and_the_other_goes_on(fleet: Fleet) -> None:
    await fleet.sql(AUDIT)
    async with (
        fleet.open("sequencer", ARMATURE_POSTGRES__IDLE_IN_TRANSACTION_SECONDS="1"),
        fleet.parts("web", "sequencer", "projector", direct=True) as (web, *_),
        calling([web]) as calls,
    ):
        await calls.more(5)
        # Its answer to the lock never arrives, and nothing it says does: it has the lock and is gone.
        gone = await asyncio.to_thread(fleet.postgres.when, b"for update", Blackhole())
        await asyncio.to_thread(gone.wait, 30.0)
        await calls.more(20)
        await eventually(lambda: _true(fleet, "select count(*) >= 20 from armature_outbox where position is not null"), "stuck")
        assert gone.fired == 1 and fleet.postgres.counts["Blackhole"] >= 1
        await asyncio.to_thread(fleet.postgres.switch, Pass())
        calls.end()
        await fleet.folded()
    judge(await fleet.durable(), calls.history)
    await final(fleet)


async def _true(fleet: Fleet, question: str) -> bool:
    return await fleet.sql(question) == "t"
