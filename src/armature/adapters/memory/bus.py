"""A broker in memory, for one process: what is published reaches the groups of the same `MemoryBroker`, and is gone with it."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from uuid import uuid4

from armature.engine import envelope
from armature.kernel.refusals import Unavailable
from armature.ports.bus import Delivery, Message, Tail, Unpublishable

__all__ = ["MemoryBroker", "MemoryBus"]


class _Held:
    """A message that was delivered and is not done: whose it is, and when it may go to somebody else."""

    __slots__ = ("attempt", "free_at", "member")

    def __init__(self) -> None:
        self.attempt = 0
        self.free_at = 0.0
        self.member: object = None


class _Group:
    """How far a group is: everything below `next` was delivered, and is done unless it is in `held`."""

    def __init__(self, first: int) -> None:
        self.next = first
        self.held: dict[int, _Held] = {}

    @property
    def floor(self) -> int:
        """The oldest message the group still needs."""
        return min(self.held, default=self.next)


class MemoryBroker:
    """The store. Several buses may share one, as processes share a server; all must run in one event loop."""

    durability = "D0"

    def __init__(
        self,
        *,
        messages_max: int = 100_000,
        message_bytes_max: int = 1_000_000,
        dedupe_seconds: float = 120.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.message_bytes_max = message_bytes_max
        self.identity = uuid4().hex
        self.messages: deque[Message] = deque()
        self.first = 1
        self.groups: dict[str, _Group] = {}
        self.clock = clock
        self._messages_max = messages_max
        self._dedupe_seconds = dedupe_seconds
        self._seen: dict[str, float] = {}
        self._news = asyncio.Event()

    @property
    def last(self) -> int:
        """The number of the newest message."""
        return self.first + len(self.messages) - 1

    def put(self, message: Message) -> None:
        """Store a message, unless it was stored within the window; raise `Unavailable` when groups still need all there is."""
        now, key = self.clock(), envelope.key(message)
        if key in self._seen:
            seen = self._seen.pop(key)
            if now - seen < self._dedupe_seconds:
                self._seen[key] = seen
                return
        if len(self.messages) >= self._messages_max:
            self._trim()
        self.messages.append(message)
        self._seen[key] = now
        while (oldest := next(iter(self._seen), None)) and now - self._seen[oldest] >= self._dedupe_seconds:
            del self._seen[oldest]
        self.wake()

    def wake(self) -> None:
        """Let every waiting member look again."""
        self._news.set()
        self._news = asyncio.Event()

    async def news(self, seconds: float) -> None:
        """Wait for a reason to look again, at most so long."""
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            pass

    def _trim(self) -> None:
        """Forget what no group needs; the newest message stays, for `tail`."""
        floor = min((group.floor for group in self.groups.values()), default=self.last)
        while self.first < min(floor, self.last):
            self.messages.popleft()
            self.first += 1
        if len(self.messages) >= self._messages_max:
            behind = min(self.groups, key=lambda name: self.groups[name].floor)
            raise Unavailable(what=f"bus: {len(self.messages)} messages wait for group {behind}, and there is room for no more")


class MemorySubscription:
    """One member of a group."""

    def __init__(self, broker: MemoryBroker, name: str, types: frozenset[str], *, in_order: bool, ack_seconds: float) -> None:
        self._broker = broker
        self._name = name
        self._types = types
        self._in_order = in_order
        self._ack_seconds = ack_seconds

    async def fetch(self, limit: int, wait_seconds: float) -> list[Delivery]:
        """Return up to `limit` messages, waiting for the first one at most so long."""
        until = self._broker.clock() + wait_seconds
        while True:
            found = self._take(1 if self._in_order else limit)
            now = self._broker.clock()
            if found or now >= until:
                return found
            held = self._group.held.values()
            await self._broker.news(max(0.0, min(until, *(one.free_at for one in held)) - now) if held else until - now)

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Say that these are done for good."""
        for delivery in deliveries:
            self._group.held.pop(_number(delivery), None)
        self._broker.wake()

    async def retry(self, delivery: Delivery, delay_seconds: float) -> None:
        """Give a message back, to be delivered again after the delay."""
        self._move(delivery, delay_seconds)
        self._broker.wake()

    async def hold(self, delivery: Delivery) -> None:
        """Say that the message is still being worked on."""
        self._move(delivery, self._ack_seconds)

    async def close(self) -> None:
        """Leave; what is in hand is delivered to another member later."""

    @property
    def _group(self) -> _Group:
        return self._broker.groups.setdefault(self._name, _Group(self._broker.first))

    def _move(self, delivery: Delivery, seconds: float) -> None:
        held = self._group.held.get(_number(delivery))
        if held is not None and held.member is self and held.attempt == delivery.attempt:
            held.free_at = self._broker.clock() + seconds

    def _take(self, limit: int) -> list[Delivery]:
        group, broker, now = self._group, self._broker, self._broker.clock()
        found = [self._deliver(number, held, now) for number, held in sorted(group.held.items()) if held.free_at <= now][:limit]
        while len(found) < limit and group.next <= broker.last and not (self._in_order and group.held):
            number, group.next = group.next, group.next + 1
            if broker.messages[number - broker.first].type in self._types:
                held = group.held[number] = _Held()
                found.append(self._deliver(number, held, now))
        return found

    def _deliver(self, number: int, held: _Held, now: float) -> Delivery:
        held.member, held.attempt, held.free_at = self, held.attempt + 1, now + self._ack_seconds
        return Delivery(self._broker.messages[number - self._broker.first], held.attempt, number)


class MemoryBus:
    """One process' way to a `MemoryBroker`; without one it makes its own."""

    def __init__(self, broker: MemoryBroker | None = None) -> None:
        self.broker = broker or MemoryBroker()

    async def open(self) -> None:
        """Nothing is needed."""

    async def close(self) -> None:
        """Nothing is held."""

    async def publish(self, messages: Sequence[Message]) -> int:
        """Store messages in order."""
        for index, message in enumerate(messages):
            size = len(message.payload) + len(envelope.head(message))
            if reason := envelope.flaw(message, size, self.broker.message_bytes_max):
                raise Unpublishable(index, reason)
            try:
                self.broker.put(message)
            except Unavailable:
                if index:
                    return index
                raise
        return len(messages)

    async def tail(self) -> Tail:
        """Return how far the store is."""
        newest = self.broker.messages[-1] if self.broker.messages else None
        epoch, position = (newest.epoch, newest.position) if newest else (0, 0)
        return Tail(self.broker.identity, self.broker.last, epoch, position)

    async def subscribe(
        self, group: str, types: Sequence[str], *, in_order: bool = True, ack_seconds: float = 30.0, oldest: bool = False
    ) -> MemorySubscription:
        """Join a group; make it where there is none."""
        broker = self.broker
        broker.groups.setdefault(group, _Group(broker.first if oldest else broker.last + 1))
        return MemorySubscription(broker, group, frozenset(types), in_order=in_order, ack_seconds=ack_seconds)

    async def forget(self, group: str) -> None:
        """Remove a group nobody needs any more."""
        self.broker.groups.pop(group, None)


def _number(delivery: Delivery) -> int:
    assert isinstance(delivery.ticket, int)
    return delivery.ticket
