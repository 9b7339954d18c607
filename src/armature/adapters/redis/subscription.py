"""A member of a consumer group on a Redis stream."""

import math
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from secrets import token_hex
from typing import Any

import msgspec
from redis.exceptions import ResponseError

from armature.adapters.redis import scripts
from armature.adapters.redis.connection import RedisConnection, translated
from armature.engine import envelope
from armature.ports.bus import Delivery

__all__ = ["RedisSubscription"]

_LOOK_SECONDS_MAX = 1.0


class RedisSubscription:
    """`remake` makes the group anew when the server has lost it."""

    def __init__(
        self,
        connection: RedisConnection,
        address: tuple[str, str],
        types: Sequence[str],
        remake: Callable[[], Awaitable[None]],
        *,
        in_order: bool,
        ack_seconds: float,
    ) -> None:
        self._connection = connection
        self._stream, self._group = address
        self._remake = remake
        self._in_order = in_order
        self._member = token_hex(8)
        self._claimed = (max(1, math.ceil(ack_seconds * 1000)), int(in_order), *types)

    async def fetch(self, limit: int, wait_seconds: float) -> list[Delivery]:
        """Return up to `limit` messages, waiting for the first one at most so long."""
        until = time.monotonic() + wait_seconds
        while True:
            last, look, found = await self._claim(1 if self._in_order else limit)
            left = until - time.monotonic()
            if found or left <= 0:
                return found
            await self._news(last, min(left, look))

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Say that these are done for good."""
        if deliveries:
            await self._run(scripts.ACK, *(_ticket(delivery) for delivery in deliveries))

    async def retry(self, delivery: Delivery, delay_seconds: float) -> None:
        """Give a message back, to be delivered again after the delay."""
        delay = max(0, math.ceil(delay_seconds * 1000))
        await self._run(scripts.RETRY, self._member, _ticket(delivery), delivery.attempt, delay)

    async def hold(self, delivery: Delivery) -> None:
        """Say that the message is still being worked on."""
        await self._run(scripts.HOLD, self._member, _ticket(delivery), delivery.attempt)

    async def close(self) -> None:
        """Leave the group; what is in hand is delivered to another member after `ack_seconds`."""
        with suppress(Exception):
            await self._run(scripts.CLOSE, self._member)

    async def _run(self, script: str, *words: Any) -> Any:
        with translated():
            return await self._connection.client.register_script(script)(keys=[self._stream], args=[self._group, *words])

    async def _claim(self, limit: int) -> tuple[int, float, list[Delivery]]:
        """Take what may be taken now; return the stream's newest number and the seconds until a look is worth while, too."""
        try:
            last, look, rows = await self._run(scripts.CLAIM, self._member, limit, *self._claimed)
        except ResponseError as error:
            if "NOGROUP" not in str(error) and "no such key" not in str(error):
                raise
            await self._remake()
            return 0, 0.0, []
        found = []
        for key, attempt, line, payload in rows:
            try:
                found.append(Delivery(envelope.message(line, payload), attempt, key))
            except msgspec.MsgspecError:
                await self._run(scripts.ACK, key)
        return last, look / 1000, found

    async def _news(self, last: int, seconds: float) -> None:
        """Wait for an entry behind `last`, which was the newest one at the last look: none can slip in between."""
        milliseconds = max(1, int(min(seconds, _LOOK_SECONDS_MAX) * 1000))
        with translated():
            await self._connection.client.xread({self._stream: f"{last}-0"}, count=1, block=milliseconds)


def _ticket(delivery: Delivery) -> bytes:
    assert isinstance(delivery.ticket, bytes)
    return delivery.ticket
