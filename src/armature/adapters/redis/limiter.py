"""A limiter that all processes share: GCRA in one script, by the server's clock (reliability e16).

Each rate is one sorted set: a caller's score is the moment, in microseconds, at which it is full again. So those who are full
leave first under pressure, in one command, and a rate that nobody uses lapses as a whole. Everything is an integer.
"""

import asyncio
from collections.abc import Callable

from redis.commands.core import AsyncScript

from armature.adapters.redis.connection import RedisConnection, translated
from armature.engine.names import limit_key
from armature.kernel.refusals import Unavailable
from armature.ports.limiter import Rate

__all__ = ["RedisLimiter"]

_ANSWER_SECONDS = 0.5
_MICROS = 1_000_000

# KEYS: the rate. ARGV: the caller, microseconds between two calls, burst in microseconds, callers at most, the time or ''.
# No call makes a caller full later than a burst and one call from then: where that is so, the clock was set back since, and the
# caller has one call at once and the rest at the rate, instead of none until the clock is again where it was.
_CHECK = """
local now = tonumber(ARGV[5])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end
local emission, tolerance, most = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local full = redis.call('ZSCORE', KEYS[1], ARGV[1])
if full then
  full = tonumber(full)
  if full > now + tolerance + emission then full = now + tolerance end
  if full - tolerance > now then return full - tolerance - now end
elseif redis.call('ZCARD', KEYS[1]) >= most then
  redis.call('ZPOPMIN', KEYS[1], redis.call('ZCARD', KEYS[1]) - most + 1)
end
if not full or full < now then full = now end
redis.call('ZADD', KEYS[1], string.format('%.0f', full + emission), ARGV[1])
redis.call('PEXPIRE', KEYS[1], math.ceil((tolerance + emission) / 1000) + 1)
return 0
"""


class RedisLimiter:
    """`Limiter` over the connections that the process shares. `clock` replaces the server's, for tests."""

    def __init__(
        self, connection: RedisConnection, installation: str, *, keys_max: int, clock: Callable[[], float] | None = None
    ) -> None:
        self._connection = connection
        self._installation = installation
        self._keys_max = keys_max
        self._clock = clock
        self._script: AsyncScript | None = None
        self._keys: dict[Rate, str] = {}

    async def open(self) -> None:
        """Connect."""
        if self._script is None:
            await self._connection.open()
            self._script = self._connection.client.register_script(_CHECK)

    async def close(self) -> None:
        """Let go of the connections. A second close does nothing."""
        if self._script is not None:
            self._script = None
            await self._connection.close()

    async def check(self, key: str, rate: Rate) -> float:
        """Admit one call now (0.0), or say in how many seconds the next one will be admitted; one round trip."""
        if self._script is None:
            raise Unavailable(what="redis: not connected")
        name = self._keys.get(rate)
        if name is None:
            name = self._keys[rate] = limit_key(self._installation, rate.count, rate.period_seconds)
        # Rounded up, so that no stretch of time admits more than the rate says.
        emission = -int(-rate.period_seconds * _MICROS // rate.count)
        now = "" if self._clock is None else round(self._clock() * _MICROS)
        asked = self._script(keys=[name], args=[key, emission, emission * (rate.count - 1), self._keys_max, now])
        with translated():
            async with asyncio.timeout(_ANSWER_SECONDS):
                wait: int = await asked
        # One more than asked for: the caller's clock and ours need not cut a microsecond at the same place.
        return (wait + 1) / _MICROS if wait else 0.0
