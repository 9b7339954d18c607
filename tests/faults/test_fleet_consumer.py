"""A reaction on a real broker whose acks are lost, or whose member is cut off with an event in hand: the event comes again, and
its effect is there once (I9)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from nats import connect

from armature.adapters.memory.bus import MemoryBroker
from armature.adapters.nats.bus import NatsBus
from armature.adapters.nats.connection import NatsConnection
from armature.engine.consumer import Consumer
from armature.engine.delivery_log import DeliveryLog, DeliveryParts
from armature.engine.lease import Lease
from armature.engine.policies import DeliveryPolicy
from armature.engine.reactions import ReactionRunner
from armature.engine.relay import Relay
from armature.testing.faults import Blackhole, Pass, Reset, TcpProxy
from armature.testing.servers import LocalNats
from tests.delivery.shop import Shop, _parts, _workshop, now, on_sqlite

from .process.patience import eventually

pytestmark = pytest.mark.slow

POLICY = DeliveryPolicy(retry_seconds=0.05, ack_seconds=1.0, broker_check_seconds=0.2)
ORDERS = 12


@asynccontextmanager
async def member(shop: Shop, folder: Path, port: int, installation: str) -> AsyncIterator[tuple[Consumer, Relay]]:
    """A process of the shop whose broker is NATS at a port."""
    bus = NatsBus(NatsConnection(f"nats://127.0.0.1:{port}"), installation)
    await bus.open()
    parts = DeliveryParts(shop.database, DeliveryLog(shop.database, folder), bus, shop.requests, POLICY, now)
    runner = ReactionRunner(shop.reaction, _workshop(shop.database), _parts(shop.database), {})
    consumer = Consumer(runner.wanted, parts, runner.take)
    try:
        yield consumer, Relay(parts, Lease(shop.database, "relay:broker", uuid4().hex, 10.0))
    finally:
        await consumer.close()
        await bus.close()


async def work(step: Any, over: asyncio.Event) -> None:
    """Step as a role does, whatever fails."""
    while not over.is_set():
        try:
            busy = await step()
        except Exception:
            busy = False
        if not busy:
            await asyncio.sleep(0.02)


@asynccontextmanager
async def working(*steps: Any) -> AsyncIterator[None]:
    over = asyncio.Event()
    tasks = [asyncio.create_task(work(step, over)) for step in steps]
    try:
        yield
    finally:
        over.set()
        await asyncio.gather(*tasks)


async def test_acks_that_never_arrive_bring_the_event_again_and_not_its_effect(tmp_path: Path, nats: LocalNats) -> None:
    installation = f"acks-{uuid4().hex[:6]}"
    with TcpProxy(nats.port) as proxy:
        async with (
            on_sqlite(tmp_path, MemoryBroker()) as shop,
            member(shop, tmp_path, proxy.port, installation) as (consumer, relay),
        ):
            lost = [await asyncio.to_thread(proxy.when, b"+ACK", Reset(), before=True, nth=nth) for nth in (2, 4, 6)]
            async with working(relay.step, consumer.step):
                for number in range(ORDERS):
                    await shop.place(f"o{number}", 1)
                await eventually(lambda: _used(shop, ORDERS), "not every order was counted")
                await eventually(lambda: _fired(lost), "no ack was ever lost")
                again = await eventually(lambda: _at_rest(nats, installation), "it never comes to rest")
            assert proxy.counts["Reset"] >= 3
            assert again > ORDERS, "nothing came a second time: the test proves nothing"
            assert await shop.used() == ORDERS
            assert len(shop.reaction.causes) == ORDERS, "the reaction itself ran again"


async def test_an_event_in_the_hands_of_one_who_is_cut_off_is_done_by_another(tmp_path: Path, nats: LocalNats) -> None:
    installation = f"cut-{uuid4().hex[:6]}"
    with TcpProxy(nats.port) as proxy:
        async with (
            on_sqlite(tmp_path, MemoryBroker()) as shop,
            member(shop, tmp_path, proxy.port, installation) as (cut_off, _),
            member(shop, tmp_path, nats.port, installation) as (other, relay),
        ):
            held = await asyncio.to_thread(proxy.when, b"order.placed", Blackhole(), side="server")
            async with working(relay.step, cut_off.step):
                await shop.place("first", 1)
                await asyncio.to_thread(held.wait, 30.0)
                async with working(other.step):
                    for number in range(5):
                        await shop.place(f"o{number}", 1)
                    await eventually(lambda: _used(shop, 6), "what the one had in hand never comes to the other")
                    await asyncio.to_thread(proxy.switch, Pass())
                    await eventually(lambda: _at_rest(nats, installation), "it never comes to rest")
            assert held.fired == 1 and proxy.counts["Blackhole"] >= 1
            assert await shop.used() == 6


async def _used(shop: Shop, wanted: int) -> bool:
    return await shop.used() == wanted


async def _fired(lost: list[Any]) -> bool:
    return all(one.fired for one in lost)


async def _at_rest(nats: LocalNats, installation: str) -> int:
    """How often the broker has delivered, when everything is delivered and acknowledged; else 0."""
    client = await connect(nats.url)
    try:
        context = client.jetstream()
        (stream,) = [one.config.name for one in await context.streams_info() if installation in str(one.config.subjects)]
        (group,) = await context.consumers_info(str(stream))
        assert group.delivered is not None
        return 0 if group.num_ack_pending or group.num_pending else group.delivered.consumer_seq
    finally:
        await client.close()
