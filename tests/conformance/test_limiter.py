"""Each limiter keeps the laws of its port."""

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest

from armature.adapters.memory.limiter import MemoryLimiter
from armature.adapters.redis.connection import RedisConnection
from armature.adapters.redis.limiter import RedisLimiter
from armature.conformance.limiter import LimiterLaws, MovedClock
from armature.ports.limiter import Limiter, Rate
from armature.testing.servers import LocalRedis


class TestMemoryLimiter(LimiterLaws):
    KEYS_MAX = 50

    def limiter(self, clock: MovedClock) -> Limiter:
        self.made = MemoryLimiter(keys_max=self.KEYS_MAX, clock=clock)
        return self.made

    def remembered(self) -> int:
        return self.made.keys


@pytest.mark.slow
class TestRedisLimiter(LimiterLaws):
    KEYS_MAX = 50

    @pytest.fixture(autouse=True)
    def _store(self, redis: LocalRedis, request: pytest.FixtureRequest) -> Iterator[None]:
        self.url, self.installation = redis.url, request.node.name
        with asyncio.Runner() as self.runner:
            yield
            for one in self.opened:
                self.runner.run(one.close())

    @property
    def opened(self) -> list[RedisLimiter]:
        return self.__dict__.setdefault("_opened", [])

    def limiter(self, clock: MovedClock | None) -> RedisLimiter:
        made = RedisLimiter(RedisConnection(self.url), self.installation, keys_max=self.KEYS_MAX, clock=clock)
        self.runner.run(made.open())
        self.opened.append(made)
        return made

    def run(self, asked: Coroutine[Any, Any, float]) -> float:
        return self.runner.run(asked)

    def remembered(self) -> int:
        return self.runner.run(self.held())

    async def held(self) -> int:
        connection = RedisConnection(self.url)
        await connection.open()
        found = [
            await connection.client.zcard(key) async for key in connection.client.scan_iter(f"{self.installation}:v1:limit:*")
        ]
        await connection.close()
        return sum(found)

    def test_two_processes_count_together_by_the_server_s_clock(self) -> None:
        here, there = self.limiter(None), self.limiter(None)
        rate = Rate(4, 3_600.0)
        waits = [self.run(one.check("a", rate)) for one in (here, there) * 3]
        assert waits[:4] == [0.0] * 4
        assert all(890 < wait <= 901 for wait in waits[4:])

    def test_a_rate_that_nobody_uses_lapses(self) -> None:
        limiter = self.limiter(None)
        self.run(limiter.check("a", Rate(3, 0.03)))

        async def lapsed() -> None:
            async with asyncio.timeout(20):
                while await self.held():  # noqa: ASYNC110  (nobody announces it)
                    await asyncio.sleep(0.005)

        self.runner.run(lapsed())

    def test_callers_go_on_at_their_rate_when_the_server_s_clock_was_set_back(self) -> None:
        clock, rate = MovedClock(10_000.0), Rate(5, 50.0)
        limiter = self.limiter(clock)
        for _ in range(rate.count):
            self.run(limiter.check("a", rate))
        clock.now -= 3_600.0
        admitted = 0
        for _ in range(100):
            admitted += self.run(limiter.check("a", rate)) == 0.0
            clock.now += 1.0
        assert 10 <= admitted <= 11
