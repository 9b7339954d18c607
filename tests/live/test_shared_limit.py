"""Limits that processes share, and what becomes of them while the store is away."""

import pytest

from armature.adapters.memory.limiter import MemoryLimiter
from armature.adapters.redis.connection import RedisConnection
from armature.adapters.redis.limiter import RedisLimiter
from armature.engine.shared_limit import SharedLimiter
from armature.kernel.refusals import Unavailable
from armature.ports.limiter import Rate
from armature.testing.servers import LocalRedis

RATE = Rate(2, 3_600.0)


@pytest.mark.slow
async def test_while_the_store_is_away_each_process_counts_alone_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    now = 1_000.0
    with LocalRedis() as server:
        shared = RedisLimiter(RedisConnection(server.url), "shop", keys_max=100)
        await shared.open()
        limiter = SharedLimiter(
            shared, MemoryLimiter(keys_max=100), closed=lambda key: key.startswith("auth."), clock=lambda: now
        )
        assert [await limiter.check("get", RATE) for _ in range(2)] == [0.0, 0.0]
        assert await limiter.check("get", RATE) > 0
        server.kill9()
        assert [await limiter.check("get", RATE) for _ in range(2)] == [0.0, 0.0]
        assert await limiter.check("get", RATE) > 0
        with pytest.raises(Unavailable):
            await limiter.check("auth.login", RATE)
        assert len([one for one in caplog.records if one.name == "armature.limiter"]) == 1
        server.start()
        now += 2.0
        assert await limiter.check("get", RATE) > 0, "the store has counted two"
        assert await limiter.check("other", RATE) == 0.0
        await shared.close()
