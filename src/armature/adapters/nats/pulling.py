"""A member of a group: asks for messages when somebody wants them, and for no more than that, so that none waits in a process
that is busy while another is idle."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from secrets import token_hex
from typing import Any

import msgspec
from nats.aio.msg import Msg
from nats.js.api import Header

from armature.adapters.nats.connection import NatsConnection, translated
from armature.engine import envelope
from armature.ports.bus import Delivery, Message

__all__ = ["EVENT_HEADER", "NatsSubscription"]

EVENT_HEADER = "Armature-Event"

_NANOS = 1_000_000_000
_ANSWER_SECONDS = 2.0
_GRACE_SECONDS = 0.5
# The status of an answer without a message: nothing there, the request's time is over; the rest means trouble.
_NOTHING = ("404", "408")
_GONE = ("503", "409")


class _Arrived:
    """A message as it came: `pending` more of the group are stored behind it."""

    __slots__ = ("at", "attempt", "message", "pending")

    def __init__(self, message: Msg) -> None:
        # $JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>; a domain adds two words in front.
        words = message.reply.split(".")
        self.message = message
        self.at = time.monotonic()
        self.attempt = int(words[-5])
        self.pending = int(words[-1])


class NatsSubscription:
    """`remake` makes the group anew when the server has lost it."""

    def __init__(
        self,
        connection: NatsConnection,
        address: tuple[str, str],
        types: frozenset[str],
        remake: Callable[[], Awaitable[None]],
        *,
        in_order: bool,
        ack_seconds: float,
    ) -> None:
        self._connection = connection
        self._next = f"$JS.API.CONSUMER.MSG.NEXT.{address[0]}.{address[1]}"
        self._types = types
        self._remake = remake
        self._in_order = in_order
        self._ack_seconds = ack_seconds
        self._inbox = f"_INBOX.pull.{token_hex(8)}"
        self._asked = 0
        self._returns = connection.returns
        self._unanswered = False
        self._arrived: deque[_Arrived] = deque()
        self._status: str | None = None
        self._news = asyncio.Event()
        self._subscription: Any = None
        self._untold: Callable[[], None] = _nothing
        self._fetching = asyncio.Lock()

    async def open(self) -> None:
        """Listen for answers."""
        client = self._connection.client
        self._untold = self._connection.when_lost(self._news.set)
        with translated():
            self._subscription = await client.subscribe(f"{self._inbox}.*", cb=self._came)
            await client.flush(timeout=2)

    async def close(self) -> None:
        """Stop listening; what is in hand is delivered to another member after `ack_seconds`."""
        self._untold()
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            with suppress(Exception):
                await subscription.unsubscribe()

    async def fetch(self, limit: int, wait_seconds: float) -> list[Delivery]:
        """Return up to `limit` messages, waiting for the first one at most so long."""
        async with self._fetching:
            until = time.monotonic() + wait_seconds
            await self._look_after_group()
            while True:
                found = await self._wanted(await self._some(1 if self._in_order else limit, until))
                if found or time.monotonic() >= until:
                    return found

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Say that these are done for good."""
        for delivery in deliveries:
            await self._say(delivery.ticket, b"+ACK")

    async def retry(self, delivery: Delivery, delay_seconds: float) -> None:
        """Give a message back, to be delivered again after the delay."""
        await self._say(delivery.ticket, b'-NAK {"delay": %d}' % max(1, int(delay_seconds * _NANOS)))

    async def hold(self, delivery: Delivery) -> None:
        """Say that the message is still being worked on."""
        await self._say(delivery.ticket, b"+WPI")

    async def _look_after_group(self) -> None:
        """Make the group anew if it may be gone: a request to one that is not there is never answered."""
        returns = self._connection.returns
        if self._returns != returns or self._unanswered:
            await self._remake()
            self._returns, self._unanswered = returns, False

    async def _say(self, ticket: object, word: bytes) -> None:
        assert isinstance(ticket, str)
        client = self._connection.client
        with translated():
            await client.publish(ticket, word)

    async def _some(self, limit: int, until: float) -> list[_Arrived]:
        """Take what came late for an earlier request; else what is there; else wait for one."""
        if not self._arrived and not self._in_order:
            await self._ask(limit, None)
            await self._collect(limit, time.monotonic() + _ANSWER_SECONDS)
        if not self._arrived and (left := until - time.monotonic()) > 0:
            await self._ask(1, left)
            await self._collect(1, until + _GRACE_SECONDS)
        elif not self._arrived and self._in_order:
            await self._ask(1, None)
            await self._collect(1, time.monotonic() + _ANSWER_SECONDS)
        return [self._arrived.popleft() for _ in range(min(limit, len(self._arrived)))]

    async def _ask(self, limit: int, wait_seconds: float | None) -> None:
        self._asked += 1
        self._status = None
        request: dict[str, object] = {"batch": limit}
        request |= {"no_wait": True} if wait_seconds is None else {"expires": max(1_000_000, int(wait_seconds * _NANOS))}
        client = self._connection.client
        with translated():
            await client.publish(self._next, msgspec.json.encode(request), reply=f"{self._inbox}.{self._asked}")

    async def _collect(self, limit: int, until: float) -> None:
        """Wait until the request is answered: enough messages, the last one stored, or a status."""
        breaks = self._connection.breaks
        while len(self._arrived) < limit and self._status is None:
            if self._arrived and not self._arrived[-1].pending:
                return
            self._news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(until - time.monotonic()):
                    await self._news.wait()
            if self._connection.breaks != breaks or time.monotonic() >= until:
                self._unanswered = self._status is None and not self._arrived
                return
        if self._status in _GONE:
            await self._remake()

    async def _came(self, message: Msg) -> None:
        status = (message.headers or {}).get(Header.STATUS)
        if status is not None:
            if message.subject.endswith(f".{self._asked}"):
                self._status = status
        elif message.reply:
            self._arrived.append(_Arrived(message))
        self._news.set()

    async def _wanted(self, arrived: list[_Arrived]) -> list[Delivery]:
        """Leave out what was given to somebody else meanwhile, and types nobody asked for."""
        found = []
        for one in arrived:
            if time.monotonic() - one.at >= self._ack_seconds:
                continue
            message = _decoded(one.message)
            if message is not None and message.type in self._types:
                found.append(Delivery(message, one.attempt, one.message.reply))
            else:
                await self._say(one.message.reply, b"+ACK")
        return found


def _nothing() -> None:
    """Nobody was asked to tell us anything yet."""


def _decoded(arrived: Msg) -> Message | None:
    """The event; None for what somebody else has put into the stream."""
    try:
        return envelope.message((arrived.headers or {})[EVENT_HEADER], arrived.data)
    except (LookupError, msgspec.MsgspecError):
        return None
