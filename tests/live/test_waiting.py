"""A waiter on one node and a waker on another: no wake-up is lost, whatever the moment it comes at."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

import pytest

from armature.adapters.memory.signal import Hub, MemorySignal
from armature.adapters.nats.connection import NatsConnection
from armature.adapters.nats.signal import NatsSignal
from armature.adapters.redis.connection import RedisConnection
from armature.adapters.redis.signal import RedisSignal
from armature.engine.waiting import Waiter
from armature.ports.signal import Signal
from armature.testing.servers import LocalNats, LocalRedis

# Longer than any test: what ends in time was woken, and did not find out by a slow look.
NEVER = 3_600.0


@asynccontextmanager
async def nodes(here: Signal, there: Signal) -> AsyncIterator[tuple[Waiter, Waiter]]:
    await here.open()
    await there.open()
    try:
        yield Waiter(here, "shop", "counter", look_seconds=NEVER), Waiter(there, "shop", "counter", look_seconds=NEVER)
    finally:
        await here.close()
        await there.close()


async def long_poll(here: Waiter, there: Waiter) -> None:
    """Fifty times: one waits until a row says so, the other changes the row and wakes."""
    rows: dict[str, int] = {}
    for number in range(50):
        key = f"k{number}"
        looked = asyncio.Event()

        async def look(key: str = key, looked: asyncio.Event = looked) -> int | None:
            looked.set()
            return rows.get(key)

        async with asyncio.timeout(20):
            waiting = asyncio.create_task(here.wait("acme", key, look, monotonic() + NEVER))
            await looked.wait()
            rows[key] = number
            await there.wake("rival", key)
            await there.wake("acme", key)
            assert await waiting == number


async def test_waiter_and_waker_on_two_nodes_over_memory() -> None:
    hub = Hub()
    async with nodes(MemorySignal(hub), MemorySignal(hub)) as (here, there):
        await long_poll(here, there)


@pytest.mark.slow
async def test_waiter_and_waker_on_two_nodes_over_nats(nats: LocalNats) -> None:
    async with nodes(NatsSignal(NatsConnection(nats.url)), NatsSignal(NatsConnection(nats.url))) as (here, there):
        await long_poll(here, there)


@pytest.mark.slow
async def test_waiter_and_waker_on_two_nodes_over_redis(redis: LocalRedis) -> None:
    async with nodes(RedisSignal(RedisConnection(redis.url)), RedisSignal(RedisConnection(redis.url))) as (here, there):
        await long_poll(here, there)


async def test_a_wake_up_between_look_and_wait_is_not_lost() -> None:
    """The row changes and the signal goes out while the first look is still under way, after it has read the old row."""
    hub = Hub()
    async with nodes(MemorySignal(hub), MemorySignal(hub)) as (here, there):
        rows: list[str] = []

        async def look() -> str | None:
            found = rows[-1] if rows else None
            if not rows:
                rows.append("done")
                await there.wake("acme", "job")
            return found

        async with asyncio.timeout(5):
            assert await here.wait("acme", "job", look, monotonic() + NEVER) == "done", "waiter checks before it subscribes"


async def test_without_any_signal_the_slow_look_finds_it() -> None:
    shut = MemorySignal()
    waiter = Waiter(shut, "shop", "counter", look_seconds=0.005)
    looks = 0

    async def look() -> int | None:
        nonlocal looks
        looks += 1
        return looks if looks == 3 else None

    await waiter.wake("acme", "job")
    assert await waiter.wait("acme", "job", look, monotonic() + NEVER) == 3


async def test_who_waits_in_vain_is_told_at_the_deadline_after_a_last_look() -> None:
    hub = Hub()
    async with nodes(MemorySignal(hub), MemorySignal(hub)) as (here, _):
        looks = []

        async def look() -> None:
            looks.append(monotonic())

        until = monotonic() + 0.02
        assert await here.wait("acme", "job", look, until) is None
        assert looks[-1] >= until
        assert not hub.listeners
