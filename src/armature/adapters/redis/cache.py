"""A cache that all processes share: one script per look-up and per invalidation, so that each is one moment at the server.

The state of a tag is a random word that the server keeps for it; invalidating a tag forgets its word, and the next look-up
makes another one. An entry holds the words it was stored under. Words and entries lapse by time, so memory is bounded; a
server that refuses to store more is `Unavailable`, which a cache may be.

Also part of the state is which run of the server this is: one that was killed comes back as it was a second ago, and its
invalidations of that second with it. So nothing that was stored before a restart is found after it.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from os import urandom
from typing import Any, cast

from redis.commands.core import AsyncScript

from armature.adapters.redis.connection import RedisConnection, translated
from armature.kernel.refusals import Unavailable
from armature.ports.cache import Found

__all__ = ["RedisCache"]

_VALUE_BYTES = 1_048_576
_ANSWER_SECONDS = 0.5
# A tag that nobody has asked for anew in a day costs those who do one miss.
_TAG_SECONDS = 86_400

# KEYS: the entry, then its tags. ARGV: a word that nobody has used, seconds a tag lives.
# An entry is its ticket, a line end, and the value.
_GET = """
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local states = {run}
for at = 2, #KEYS do
  local state = redis.call('GET', KEYS[at])
  if not state then
    state = ARGV[1] .. at
    redis.call('SET', KEYS[at], state, 'EX', ARGV[2])
  end
  states[at] = state
end
local ticket = table.concat(states, ',')
local entry = redis.call('GET', KEYS[1])
if entry and string.sub(entry, 1, #ticket + 1) == ticket .. '\\n' then
  return {ticket, string.sub(entry, #ticket + 2)}
end
return {ticket}
"""


class RedisCache:
    """`Cache` over the connections that the process shares."""

    def __init__(self, connection: RedisConnection, *, value_bytes_max: int = _VALUE_BYTES) -> None:
        self.value_bytes_max = value_bytes_max
        self._connection = connection
        self._script: AsyncScript | None = None

    async def open(self) -> None:
        """Connect."""
        if self._script is None:
            await self._connection.open()
            self._script = self._connection.client.register_script(_GET)

    async def close(self) -> None:
        """Let go of the connections. A second close does nothing."""
        if self._script is not None:
            self._script = None
            await self._connection.close()

    async def get(self, key: str, tags: Sequence[str]) -> Found:
        """Look up a key under the present state of its tags; one round trip."""
        script = self._script
        if script is None:
            raise Unavailable(what="redis: not connected")
        found = await _answered(script(keys=[key, *tags], args=[urandom(9).hex(), _TAG_SECONDS]))
        return Found(found[1] if len(found) > 1 else None, found[0])

    async def put(self, key: str, value: bytes, seconds: float, ticket: bytes) -> None:
        """Store a value that was computed after the look-up that gave the ticket."""
        if len(value) <= self.value_bytes_max and seconds > 0:
            milliseconds = max(1, round(seconds * 1_000))
            await _answered(self._connection.client.set(key, b"%b\n%b" % (ticket, value), px=milliseconds))

    async def invalidate(self, tags: Sequence[str]) -> None:
        """Make everything with one of these tags unfindable; one round trip."""
        if tags:
            await _answered(self._connection.client.unlink(*tags))


async def _answered(asked: Any) -> Any:
    """Wait for the server, but not long: whoever asks a cache is on the way to an answer."""
    with translated():
        async with asyncio.timeout(_ANSWER_SECONDS):
            return await cast(Awaitable[Any], asked)
