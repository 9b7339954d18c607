"""Each key of `delivery`, flipped: how the log is numbered, carried to the broker, and taken from it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec.structs import asdict

from armature.adapters.memory.bus import MemoryBroker
from armature.adapters.postgres.lanes import Lanes
from armature.adapters.postgres.numbering import PostgresNumbering
from armature.adapters.postgres.settings import PostgresSettings
from armature.engine.consumed import DEAD
from armature.engine.sequencer import Sequencer
from armature.testing.servers import LocalPostgres
from tests.delivery.shop import Shop, on_sqlite
from tests.delivery.test_numbering import FOUNDATION, TELL
from tests.edges.wire import until
from tests.model.effects import LEVERS, Running, Stage, effect_of
from tests.model.project import project

GROUP = "quota.settle"


@effect_of("delivery.lease_seconds", to="2", default="long", flipped="short")
async def test_a_role_has_its_turn_for_so_long(stage: Stage) -> object:
    async with relaying(stage) as running:
        left = "select expires_at / 1e6 - unixepoch('subsec') from armature_leases where name = 'relay:broker'"
        await until(lambda: bool(running.rows(left)))
        return "long" if running.rows(left)[0][0] > 2 else "short"


@pytest.mark.slow
@effect_of("delivery.poll_seconds", to="3600", default="seen", flipped="not seen")
async def test_the_relay_looks_at_the_log_without_a_signal(stage: Stage) -> object:
    async with relaying(stage) as running:
        # It begins with its first step, registers with the second and carries with the third; it is woken for each.
        for n in range(1, 6):
            await tell(running)
            await until(lambda n=n: n < 5 or carried(running) == 5)
        await running.write(ANOTHER)
        return await within_a_second(running, 6)


@effect_of("delivery.window_events", to="1", default=False, flipped=True)
async def test_so_many_events_are_on_their_way_at_once(stage: Stage) -> object:
    async with relaying(stage) as running:
        before = await running.metric("armature_commits_total") or 0.0
        await tell(running, 20)
        await until(lambda: carried(running) == 20)
        return (await running.metric("armature_commits_total") or 0.0) - before >= 20


@pytest.mark.slow
@effect_of("delivery.drain_events_per_second", to="1", default="seen", flipped="not seen")
async def test_what_has_piled_up_is_carried_so_fast(stage: Stage) -> object:
    async with relaying(stage) as running:
        await tell(running, 40)
        await until(lambda: carried(running) == 40)
        await tell(running)
        return await within_a_second(running, 41)


@pytest.mark.slow
@effect_of("delivery.backlog_max", to="2", default=200, flipped=503, given={"delivery.drain_events_per_second": "0.001"})
async def test_so_many_events_may_wait_for_the_broker(stage: Stage) -> object:
    async with relaying(stage) as running:
        await tell(running)
        await until(lambda: carried(running) == 1)  # and what follows waits for a thousand seconds
        await tell(running, 2)
        while await running.metric("armature_delivery_backlog") != 2:  # noqa: ASYNC110  (asked over a socket)
            await asyncio.sleep(0.01)
        return (await running.ask("POST /v1/tell", {"times": 1})).status


@pytest.mark.slow
@effect_of("delivery.broker_check_seconds", to="0.02", default="asked", flipped="done")
async def test_the_broker_is_looked_at_and_wishes_are_taken_so_often(stage: Stage) -> object:
    async with relaying(stage) as running:
        await tell(running)
        await until(lambda: carried(running) == 1)
        await running.write("insert into armature_requests (kind, subject, asked_at) values ('retry', 'relay:broker', 0)")
        state = "select state from armature_requests"
        clock = asyncio.create_task(running.late())
        await until(lambda: clock.done() or running.rows(state) == [("done",)])
        await clock
        return running.rows(state)[0][0]


@pytest.mark.slow
@effect_of("delivery.number_events", to="2", default=5, flipped=2)
async def test_so_many_events_get_their_positions_in_one_transaction(stage: Stage) -> object:
    with LocalPostgres() as server:
        url = server.create_database("effects")
        server.sql(FOUNDATION, "effects")
        for version in range(1, 6):
            server.sql(TELL.replace("$1", "'s'").replace("$2", str(version)), "effects")
        lanes = Lanes(PostgresSettings(url=url), 1)
        sequencer = Sequencer(PostgresNumbering(lanes, None), stage.model().policies.delivery)
        await sequencer.step()
        await lanes.close()
        return sequencer.last


@effect_of("delivery.attempts_max", to="2", default=5, flipped=2, given={"delivery.retry_seconds": "0.001"})
async def test_a_reaction_is_tried_so_often_before_its_stream_is_parked(stage: Stage) -> object:
    async with shop_of(stage) as (shop, _):
        await shop.place("bad", 666)

        async def parked() -> bool:
            return shop.consumer.parked == 1

        await shop.until(parked, "the stream")
        (letters,) = await shop.database.read(((DEAD, (GROUP,)),))
        return letters[0].attempts


@effect_of("delivery.retry_seconds", to="0.25", default=0.5, flipped=0.25)
async def test_a_reaction_that_failed_rests_so_long(stage: Stage) -> object:
    async with shop_of(stage) as (shop, broker):
        await through_the_broker(shop, 666)
        return free_at(broker)


@effect_of("delivery.ack_seconds", to="3", default=30.0, flipped=3.0)
async def test_an_event_is_in_a_consumers_hands_so_long(stage: Stage) -> object:
    async with shop_of(stage) as (shop, broker):
        run, seen = shop.consumer._take, []

        async def take(message: Any, writes: Any) -> bool:
            seen.append(free_at(broker))
            return await run(message, writes)

        shop.consumer._take = take
        await through_the_broker(shop, 1)
        return seen[0]


ANOTHER = """
insert into armature_outbox (event_id, stream, schema, tenant_id, payload, correlation_id, causation_id, actor, partition,
                             occurred_at, type)
select randomblob(16), 'lever/other', schema, tenant_id, payload, correlation_id, causation_id, actor, partition,
       occurred_at, type
  from armature_outbox
 limit 1
"""


@asynccontextmanager
async def relaying(stage: Stage) -> AsyncIterator[Running]:
    """A system that carries its log to the broker in its memory."""
    stage.data.mkdir()
    (stage.data / "modules").symlink_to(LEVERS / "modules")
    stage.root = project(stage.data, single="processes: {app: {roles: [http, relay]}}")
    async with stage.serving() as running:
        yield running


async def tell(running: Running, times: int = 1) -> None:
    assert (await running.ask("POST /v1/tell", {"times": times})).status == 200


def carried(running: Running) -> int:
    rows = running.rows("select position from armature_cursors")
    return int(rows[0][0]) if rows else 0


async def within_a_second(running: Running, position: int) -> str:
    clock = asyncio.create_task(running.late())
    await until(lambda: clock.done() or carried(running) == position)
    await clock
    return "seen" if carried(running) == position else "not seen"


@asynccontextmanager
async def shop_of(stage: Stage) -> AsyncIterator[tuple[Shop, MemoryBroker]]:
    """A shop under the stage's policy, and its broker."""
    stage.data.mkdir()
    broker = MemoryBroker()
    async with on_sqlite(stage.data, broker, **asdict(stage.model().policies.delivery)) as shop:
        yield shop, broker


async def through_the_broker(shop: Shop, amount: int) -> None:
    """Let the consumer try to take an order that is recorded after it has joined its group; the broker's clock stands still."""
    for _ in range(2):
        await shop.consumer.step()
    await shop.place("a", amount)
    for _ in range(3):
        await shop.relay.step()
    shop.broker.clock = lambda: 0.0
    await shop.consumer.step()


def free_at(broker: MemoryBroker) -> float:
    """Return when the broker gives the event in the group's hands to somebody else."""
    (held,) = broker.groups[GROUP].held.values()
    return held.free_at
