"""I6, I7, I8: with writers who take their number early and commit late, and rolled-back ones among them, positions are dense and
final, follow each stream's versions and each event's cause, and nothing is delivered that was not committed."""

import asyncio
import os
import random

import asyncpg
import pytest

from tests.delivery.test_numbering import AUDIT
from tests.faults.process.calls import calling
from tests.faults.process.fleet import Fleet, in_order
from tests.faults.process.patience import eventually

pytestmark = pytest.mark.slow

EVENTS = int(os.environ.get("SOAK_EVENTS", "10000"))
SEED = int(os.environ.get("SOAK_SEED", "1"))
WRITERS, STREAMS, BATCH = 8, 24, 8
TELL = """
insert into armature_outbox (event_id, type, schema, tenant_id, stream, stream_version, payload, correlation_id, causation_id,
                             actor, partition, occurred_at)
select gen_random_uuid(), 'x.y', 1, 'acme', $1, $2::bigint + n, '{}', 'c', $3, 'ann', 0, now() from generate_series(1, $4::int) n
returning event_id::text
"""
INVERTED = """
select count(*) from armature_outbox a join armature_outbox b
    on b.stream = a.stream and b.stream_version = a.stream_version + 1 and b.position < a.position
"""
BEFORE_ITS_CAUSE = """
select count(*) from armature_outbox effect join armature_outbox cause
    on cause.event_id::text = effect.causation_id and effect.position < cause.position
"""


class Writers:
    """`rolled_back` counts transactions that were taken back after their events were written."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.left = EVENTS
        self.rolled_back = 0
        self.causes = ["c"]

    async def write(self, seed: int) -> None:
        """Append to streams until enough was written."""
        dice = random.Random(SEED * 100 + seed)
        connection = await asyncpg.connect(self.url)
        while self.left > 0:
            self.left -= BATCH
            stream, cause = f"thing/{dice.randrange(STREAMS)}", dice.choice(self.causes[-40:])
            transaction = connection.transaction()
            await transaction.start()
            # Its number is taken before it knows where in the stream it stands: this is what inverts naive orders.
            await connection.fetchval("select pg_current_xact_id()")
            if dice.random() < 0.1:
                await asyncio.sleep(dice.random() * 0.01)
            await connection.execute("select pg_advisory_xact_lock(hashtext($1))", stream)
            last = await connection.fetchval(
                "select coalesce(max(stream_version), 0) from armature_outbox where stream = $1", stream
            )
            told = await connection.fetch(TELL, stream, last, cause, BATCH)
            if dice.random() < 0.05:
                self.left += BATCH
                self.rolled_back += 1
                await transaction.rollback()
                continue
            await transaction.commit()
            self.causes.append(told[-1][0])
        await connection.close()


async def test_positions_follow_versions_and_causes_whoever_numbers(fleet: Fleet) -> None:
    await fleet.sql(AUDIT)
    await fleet.sql("create index thing_streams on armature_outbox (stream, stream_version)")
    writers = Writers(fleet.servers.postgres.url(fleet.database))
    few = {"ARMATURE_DELIVERY__NUMBER_EVENTS": "37"}
    async with fleet.parts("sequencer", "sequencer", direct=True, **few):
        await asyncio.gather(*(writers.write(seed) for seed in range(WRITERS)))
        await eventually(lambda: _numbered(fleet), "not everything gets a position")
    assert writers.rolled_back > 0
    row = await fleet.sql("select count(*), count(distinct position), min(position), max(position) from armature_outbox")
    count, different, first, last = map(int, row.split("|"))
    assert count >= EVENTS and (different, first, last) == (count, 1, count)
    assert await fleet.sql("select count(*) from renumbered") == "0"
    assert await fleet.sql(INVERTED) == "0"
    assert await fleet.sql(BEFORE_ITS_CAUSE) == "0"
    assert int(await fleet.sql("select count(*) from armature_outbox where causation_id <> 'c'")) > EVENTS // 2


async def test_nothing_is_delivered_that_was_not_committed(fleet: Fleet) -> None:
    async with (
        fleet.aside() as there,
        fleet.open("relay", direct=True) as relaying,
    ):
        await fleet.join(relaying)
        async with calling([there]) as calls:
            refused = 0
            while calls.acknowledged < 200:
                # The name is taken: what the command had written of its event is taken back with it.
                answers = await asyncio.gather(*(there.post("/v1/counters", json={"name": "c1"}) for _ in range(4)))
                assert {one.status for one in answers} == {409}
                refused += len(answers)
                await calls.more(5)
        messages = await fleet.at_broker(there)
        durable = await fleet.durable()
    assert refused >= 20
    assert {one.event_id.bytes for one in messages} == {told.event_id for told in durable.log}
    assert len(durable.log) == calls.acknowledged + len(calls.paths)
    in_order(messages)


async def _numbered(fleet: Fleet) -> bool:
    return await fleet.sql("select not exists (select 1 from armature_outbox where position is null)") == "t"
