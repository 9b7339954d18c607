"""What a consumer does about time, trouble and its neighbours: it holds on, it waits, it begins where it said it would."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from armature.adapters.memory.bus import MemoryBroker, MemoryBus
from armature.engine.consumer import Consumer, Wanted
from armature.engine.delivery_log import DeliveryParts
from armature.kernel.refusals import Unavailable, UnknownOutcome
from armature.ports.bus import Message
from armature.ports.database import Bound
from tests.delivery.shop import Shop, on_sqlite


async def joined(shop: Shop) -> None:
    """Let the consumer register and join its group: what is recorded from now on comes through the broker."""
    for _ in range(2):
        await shop.consumer.step()


async def published(shop: Shop, events: int) -> None:
    while len(shop.broker.messages) < events:
        await shop.relay.step()


async def test_an_event_that_takes_long_is_given_to_nobody_else(tmp_path: Path) -> None:
    async with on_sqlite(tmp_path, ack_seconds=0.3) as shop:
        await joined(shop)
        await shop.place("a", 1)
        await published(shop, 1)
        run, begun, gate = shop.consumer._take, asyncio.Event(), asyncio.Event()

        async def slow(message: Message, writes: Sequence[Bound]) -> bool:
            begun.set()
            await gate.wait()
            return await run(message, writes)

        shop.consumer._take = slow
        working = asyncio.create_task(shop.consumer.step())
        await begun.wait()
        other = await MemoryBus(shop.broker).subscribe("quota.settle", ["order.placed"], ack_seconds=0.3)
        assert await other.fetch(1, 1.0) == [], "three times as long as it may be silent"
        gate.set()
        await working
        assert (await shop.used(), shop.consumer.taken) == (1, 1)


@pytest.mark.parametrize("trouble", [Unavailable(what="the database is away"), UnknownOutcome()])
async def test_trouble_that_says_nothing_about_the_event_parks_nothing_however_long_it_lasts(
    tmp_path: Path, trouble: Exception
) -> None:
    async with on_sqlite(tmp_path, attempts_max=1) as shop:
        await joined(shop)
        await shop.place("a", 1)
        await published(shop, 1)
        run, left = shop.consumer._take, [4]

        async def away(message: Message, writes: Sequence[Bound]) -> bool:
            if left[0]:
                left[0] -= 1
                raise trouble
            return await run(message, writes)

        shop.consumer._take = away
        while left[0]:
            with suppress(type(trouble)):
                await shop.consumer.step()
        await shop.until(lambda: _used(shop, 1), "the order")
        assert shop.consumer.parked == 0


async def test_a_consumer_that_begins_now_takes_nothing_of_before(tmp_path: Path) -> None:
    async with on_sqlite(tmp_path) as shop:
        await shop.place("a", 1)
        await published(shop, 1)
        seen: list[int] = []

        async def take(message: Message, writes: Sequence[Bound]) -> bool:
            seen.append(message.position)
            return True

        parts: DeliveryParts = shop.consumer._parts
        late = Consumer(Wanted("quota.late", frozenset(("order.placed",)), from_beginning=False), parts, take)
        for _ in range(2):
            await late.step()
        await shop.place("a", 1, version=2)
        await published(shop, 2)
        while not seen:
            await late.step()
        assert seen == [2]


async def test_a_full_broker_stops_the_cursor_and_not_the_consumer(tmp_path: Path) -> None:
    broker = MemoryBroker(messages_max=3)
    async with on_sqlite(tmp_path, broker) as shop:
        await joined(shop)
        for n in range(8):
            await shop.place(f"o{n}", 1)
        for _ in range(6):
            with suppress(Unavailable):
                await shop.relay.step()
        assert (len(broker.messages), shop.relay.position) in [(3, 3), (3, None)]
        for _ in range(200):
            if await shop.used() == 8:
                break
            with suppress(Unavailable):
                await shop.relay.step()
            await shop.consumer.step()
        assert (await shop.used(), shop.consumer.taken) == (8, 8)


async def _used(shop: Shop, used: int) -> bool:
    return await shop.used() == used
