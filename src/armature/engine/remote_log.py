"""The log of another process, read by those who react to what happens there but live on a database of their own.

No broker carries such events: who reacts asks for what comes after its position, and has written down with each effect of which
event it is. So nothing is lost, whoever of the two was away, and a repeat changes nothing.
"""

import asyncio
from collections.abc import Callable, Sequence
from time import monotonic

import msgspec
from msgspec import Struct

from armature.engine.delivery_log import DeliveryLog
from armature.engine.event_log import Identity, Stream
from armature.engine.remote_message import LogAsked, Seal, Told, platform_ask
from armature.engine.remote_way import Errand, Way
from armature.engine.segments import ArchiveHole
from armature.kernel.refusals import Unavailable
from armature.ports.bus import Delivery, Message, Tail

__all__ = ["PulledBus", "PulledEvents", "RemoteLog", "read_log"]

_SECONDS = 5.0
_PAUSE_SECONDS = 0.05
# Where something came, more is likely: it is looked for sooner for a moment, and never more often than looking takes.
_BRISK_SECONDS = 0.005
_BRISK_SECONDS_MAX = 0.25
_BATCH_EVENTS = 200
_BATCH_BYTES_MAX = 1_000_000
"""So much of the log is in one answer, but one event at least: what carries messages has a limit of its own."""


class LogRead(Struct, frozen=True):
    """The answer."""

    log: str
    epoch: int
    head: int
    messages: list[Message]


async def read_log(log: DeliveryLog, asked: LogAsked) -> Told:
    """Answer a question to the log of this process."""
    head = await log.look()
    messages: list[Message] = []
    try:
        if asked.limit and asked.stream is not None:
            messages = await log.of_stream(asked.stream, asked.after, asked.upto, asked.limit)
        elif asked.limit:
            messages = await log.after(asked.after, asked.limit)
    except ArchiveHole as hole:
        raise Unavailable(what=str(hole)) from hole
    return Told(body=msgspec.msgpack.encode(LogRead(log.identity.log, log.identity.epoch, head, _carried(messages))))


def _carried(messages: list[Message]) -> list[Message]:
    """Return the first of the messages, as many as one answer may hold."""
    size = 0
    for at, message in enumerate(messages):
        size += len(message.payload)
        if at and size > _BATCH_BYTES_MAX:
            return messages[:at]
    return messages


class RemoteLog:
    """`DeliveryLog` as a consumer uses it, of another process."""

    def __init__(self, way: Way, seal: Seal) -> None:
        self.identity = Identity("", 0)
        self._way = way
        self._seal = seal
        self._decode = msgspec.msgpack.Decoder(LogRead).decode

    async def look(self) -> int:
        """Learn which log this is; return its newest position."""
        return (await self._ask(LogAsked())).head

    async def after(self, position: int, limit: int) -> list[Message]:
        """Return up to `limit` events that follow `position` without a gap; none when nothing follows yet."""
        return (await self._ask(LogAsked(position, min(limit, _BATCH_EVENTS)))).messages if limit > 0 else []

    async def of_stream(self, stream: Stream, after: int, upto: int, limit: int) -> list[Message]:
        """Return the first events of one stream in (after, upto], at least one if there is any, at most `limit`."""
        return (await self._ask(LogAsked(after, min(limit, _BATCH_EVENTS), stream, upto))).messages

    async def _ask(self, asked: LogAsked) -> LogRead:
        ask = platform_ask(_SECONDS, asked)
        errand = Errand(lambda seconds: self._seal.ask(ask, self._way.module), monotonic() + _SECONDS, reads=True, keyed=False)
        told = self._seal.told(await self._way.ask(errand), ask)
        if told.code:
            said = msgspec.msgpack.decode(told.values).get("what", told.code)
            raise Unavailable(what=f"the log of module '{self._way.module}': {said}")
        read = self._decode(told.body)
        self.identity = Identity(read.log, read.epoch)
        return read


class PulledEvents:
    """`Subscription` on another process's log, in its order. An event that is given back holds up those behind it."""

    def __init__(self, log: RemoteLog, types: Sequence[str], after: int, clock: Callable[[], float] = monotonic) -> None:
        self._log = log
        self._types = frozenset(types)
        self._position = after
        self._clock = clock
        self._waiting: list[Message] = []
        self._attempt = 1
        self._not_before = 0.0
        self._came = self._took = 0.0

    async def fetch(self, limit: int, wait_seconds: float) -> list[Delivery]:
        """Return the next events, waiting for the first one at most so long."""
        until = self._clock() + wait_seconds
        while not self._waiting or self._clock() < self._not_before:
            if not self._waiting and await self._pull():
                continue
            if self._clock() >= until:
                return []
            await asyncio.sleep(self._pause())
        return [Delivery(self._waiting[0], self._attempt, None)]

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Go on behind these."""
        for delivery in deliveries:
            if self._waiting and self._waiting[0].event_id == delivery.message.event_id:
                self._waiting.pop(0)
                self._attempt, self._not_before = 1, 0.0

    async def retry(self, delivery: Delivery, delay_seconds: float) -> None:
        """Give the same event again after the delay."""
        self._attempt = delivery.attempt + 1
        self._not_before = self._clock() + delay_seconds

    async def hold(self, delivery: Delivery) -> None:
        """Nobody else is given it."""

    async def close(self) -> None:
        """Nothing to let go of."""

    async def _pull(self) -> bool:
        """Read on; True when there was anything, wanted or not."""
        began = self._clock()
        messages = await self._log.after(self._position, _BATCH_EVENTS)
        self._took = self._clock() - began
        if messages:
            self._came = self._clock()
            self._position = messages[-1].position
            self._waiting = [one for one in messages if one.type in self._types]
        return bool(messages)

    def _pause(self) -> float:
        if self._waiting or self._clock() - self._came > _BRISK_SECONDS_MAX:
            return _PAUSE_SECONDS
        return min(_PAUSE_SECONDS, max(_BRISK_SECONDS, self._took))


class PulledBus:
    """`Bus` for a consumer of another process's log: it only subscribes, and there is nothing at a broker."""

    def __init__(self, log: RemoteLog) -> None:
        self._log = log

    async def open(self) -> None:
        """Nothing to connect."""

    async def close(self) -> None:
        """Nothing to let go of."""

    async def publish(self, messages: Sequence[Message]) -> int:
        """Refuse: a log is written where its database is."""
        raise Unavailable(what="the log of another process takes no messages")

    async def tail(self) -> Tail:
        """Return how far the log is."""
        head = await self._log.look()
        return Tail(self._log.identity.log, head, self._log.identity.epoch, head)

    async def subscribe(
        self, group: str, types: Sequence[str], *, in_order: bool = True, ack_seconds: float = 30.0, oldest: bool = False
    ) -> PulledEvents:
        """Begin behind what is there now; what was there before is the consumer's to catch up with."""
        return PulledEvents(self._log, types, await self._log.look())

    async def forget(self, group: str) -> None:
        """Nobody there remembers a group."""
