"""Redis streams keep the laws of a bus, over kills and lost stores too."""

import asyncio

import pytest

from armature.adapters.redis.bus import RedisBus, RedisBusSettings
from armature.adapters.redis.connection import RedisConnection, RedisRefused
from armature.conformance.bus import BusLaws
from armature.conformance.bus_crash import BusCrashLaws, Server
from armature.conformance.bus_world import Bounds
from armature.ports.bus import Bus, BusRefused
from armature.testing.servers import LocalRedis, free_port

pytestmark = pytest.mark.slow


def _bus(server: LocalRedis, installation: str, bounds: Bounds = Bounds()) -> RedisBus:
    settings = RedisBusSettings(messages_max=bounds.room or 1_000_000, dedupe_seconds=bounds.dedupe_seconds)
    return RedisBus(RedisConnection(server.url), installation, settings)


class TestRedisBus(BusLaws):
    @pytest.fixture(autouse=True)
    def server(self, redis: LocalRedis) -> None:
        self.running = redis

    def bus(self, installation: str, bounds: Bounds) -> Bus:
        return _bus(self.running, installation, bounds)


class TestRedisBusCrash(BusCrashLaws):
    def make_server(self) -> Server:
        # Synced always: an OS crash is not what is tried here, but a kill in the middle of a write is.
        return LocalRedis(settings={"appendfsync": "always"})

    def make_bus(self, server: Server) -> Bus:
        assert isinstance(server, LocalRedis)
        return _bus(server, "crash")


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
def test_a_server_that_throws_events_away_is_refused(policy: str) -> None:
    async def story(server: LocalRedis) -> None:
        with pytest.raises(BusRefused, match=f"maxmemory-policy is {policy}.*noeviction"):
            await _bus(server, "refused").open()

    with LocalRedis(settings={"maxmemory-policy": policy}) as server:
        asyncio.run(story(server))


@pytest.mark.parametrize(
    ("settings", "durability"),
    [({"appendonly": "no"}, "D0"), ({}, "D1"), ({"appendfsync": "always"}, "D3")],
)
def test_the_durability_is_the_servers(settings: dict[str, str], durability: str) -> None:
    async def story(server: LocalRedis) -> None:
        bus = _bus(server, "durable")
        await bus.open()
        assert bus.durability == durability
        await bus.close()

    with LocalRedis(settings=settings) as server:
        asyncio.run(story(server))


def test_a_cluster_is_refused() -> None:
    async def story(server: LocalRedis) -> None:
        with pytest.raises(RedisRefused, match="cluster"):
            await _bus(server, "refused").open()

    with LocalRedis(settings={"cluster-enabled": "yes", "cluster-port": str(free_port())}) as server:
        asyncio.run(story(server))
