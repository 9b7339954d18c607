"""A process of its own that takes orders, relays and reacts until all are counted, so that a test can kill it in the middle.

`python -m tests.delivery.worker FOLDER NATS_URL`
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from armature.adapters.nats.bus import NatsBus
from armature.adapters.nats.connection import NatsConnection
from armature.adapters.nats.settings import NatsSettings
from tests.delivery.shop import Shop, on_sqlite

ORDERS = 12
USED = sum(range(1, ORDERS + 1))


@asynccontextmanager
async def shop_on_nats(folder: Path, url: str) -> AsyncIterator[tuple[Shop, NatsBus]]:
    """The shop of a folder, at a broker that outlives its processes."""
    bus = NatsBus(NatsConnection(url), f"kills-{folder.name}"[-40:].replace("_", "-"), NatsSettings(bytes_max=1 << 24))
    await bus.open()
    try:
        async with on_sqlite(folder, bus=bus, window_events=5, lease_seconds=0.5, ack_seconds=1.0) as shop:
            yield shop, bus
    finally:
        await bus.close()


async def finish(shop: Shop) -> None:
    """Relay and react until everything is counted, and is at the broker."""

    async def counted() -> bool:
        return await shop.used() == USED and shop.relay.position == 2 * ORDERS

    await shop.until(counted, "all orders")


async def work(folder: Path, url: str) -> None:
    async with shop_on_nats(folder, url) as (shop, _):
        for _ in range(2):  # it registers, and joins its group: what comes now comes through the broker
            await shop.consumer.step()
        for amount in range(1, ORDERS + 1):
            await shop.place(f"order-{amount % 5}", amount, version=1 + (amount - 1) // 5)
        await finish(shop)


if __name__ == "__main__":
    asyncio.run(work(Path(sys.argv[1]), sys.argv[2]))
