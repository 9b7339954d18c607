"""Each cache adapter keeps the laws of its port."""

import asyncio
from collections.abc import Iterator

import pytest

from armature.adapters.memory.cache import MemoryCache
from armature.adapters.redis.cache import RedisCache
from armature.adapters.redis.connection import RedisConnection
from armature.conformance.cache import CacheLaws, CacheServerLaws
from armature.conformance.limiter import MovedClock
from armature.ports.cache import Cache
from armature.testing.servers import LocalRedis


class TestMemoryCache(CacheLaws):
    def make(self) -> tuple[Cache, Cache]:
        one = MemoryCache(value_bytes_max=self.VALUE_BYTES_MAX)
        return one, one

    async def forget(self, cache: Cache, tag: str) -> None:
        assert isinstance(cache, MemoryCache)
        everything = cache.store_bytes_max
        # The tag is what was used least, but for the entry itself; so both leave, as they would under pressure.
        cache.store_bytes_max = 0
        await cache.get("pressure", ["pressure:tag"])
        cache.store_bytes_max = everything

    def test_law_5_the_bytes_are_bounded_and_what_was_used_least_leaves_first(self) -> None:
        async def story() -> None:
            cache = MemoryCache(store_bytes_max=20_000)
            await cache.open()
            for number in range(200):
                missed = await cache.get(f"k{number}", [f"t{number}"])
                await cache.put(f"k{number}", b"x" * 100, 60.0, missed.ticket)
                kept = await cache.get("k0", ["t0"])
                assert kept.value is not None
                assert cache.size <= 20_000
            assert (await cache.get("k199", ["t199"])).value is not None
            assert (await cache.get("k1", ["t1"])).value is None

        asyncio.run(story())

    def test_law_1_seconds_are_counted_by_a_clock_that_never_goes_back(self) -> None:
        async def story() -> None:
            clock = MovedClock()
            cache = MemoryCache(clock=clock)
            await cache.open()
            await cache.put("k", b"v", 10.0, (await cache.get("k", [])).ticket)
            clock.now += 9.9
            assert (await cache.get("k", [])).value == b"v"
            clock.now += 0.2
            assert (await cache.get("k", [])).value is None

        asyncio.run(story())


@pytest.mark.slow
class TestRedisCache(CacheServerLaws):
    @pytest.fixture(autouse=True, scope="class")
    def _own_server(self, request: pytest.FixtureRequest) -> Iterator[None]:
        with LocalRedis(settings={"appendfsync": "always"}) as request.cls.own:
            yield

    def make(self) -> tuple[Cache, Cache]:
        one, other = (RedisCache(RedisConnection(self.own.url), value_bytes_max=self.VALUE_BYTES_MAX) for _ in ("here", "there"))
        return one, other

    def server(self) -> LocalRedis:
        return self.own

    async def forget(self, cache: Cache, tag: str) -> None:
        connection = RedisConnection(self.own.url)
        await connection.open()
        assert await connection.client.unlink(tag) == 1
        await connection.close()

    def test_law_5_everything_that_is_stored_lapses(self) -> None:
        async def story() -> None:
            one, _ = self.make()
            await one.open()
            await one.put("lapse", b"value", 60.0, (await one.get("lapse", ["lapse:tag"])).ticket)
            connection = RedisConnection(self.own.url)
            await connection.open()
            assert {await connection.client.ttl(key) > 0 for key in ("lapse", "lapse:tag")} == {True}
            await connection.close()
            await one.close()

        asyncio.run(story())
