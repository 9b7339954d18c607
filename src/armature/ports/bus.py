"""The seam to a broker: events on their way to other processes. The log is the truth, the broker is delivery.

Laws (armature.conformance.bus proves them):
 1. `publish` stores the messages in the given order, and returns how many of them, from the first on without a gap,
    the broker has acknowledged; what it did not count may or may not be stored.
 2. A message whose event id was published within the dedupe window is stored once, and counts as acknowledged. The same event
    of another epoch is another message.
 3. A message that the broker can never take raises `Unpublishable` with its index; those before it are stored, those after
    it are not. A broker that is away or full raises `Unavailable`; nothing that was acknowledged is dropped to make room.
 4. Each group (a durable name) gets every message that was published after the group was made, at least once, also over
    restarts of the consumer and of the broker. Members of one group share the messages: what one holds no other gets. A group
    that was lost with the broker's store is made anew by its members, and begins with the oldest message the store holds.
 5. What is neither acknowledged nor given back within `ack_seconds` is delivered again, to any member, with a higher `attempt`;
    `hold` begins that time anew.
 6. `retry` gives a message back; it is not delivered before its delay is over.
 7. With `in_order=True` a group has one message of the log in hand at a time, so that a repeat comes before its successors.
 8. `tail` tells which broker this is (its identity changes when its store was lost) and the header position of the last
    message it holds, so that one which came back older than the relay's cursor is noticed.
 9. `open` and `subscribe` check the settings that the server echoes, and raise `BusRefused` for one that ignored or cannot
    have a setting this port relies on.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from msgspec import Struct

__all__ = ["Bus", "BusRefused", "Delivery", "Message", "Subscription", "Tail", "Unpublishable"]


class Message(Struct, frozen=True, gc=False):
    """An event as it travels, as its row in the log has it.

    `log`, `epoch` and `position` are its place (laws 8); `type` is `module.word`; `stream` is `module/id`, with `stream_version`
    from 1 without a gap, or None where the event has no version. `payload` is JSON in UTF-8, `occurred_at` is UTC.
    """

    event_id: UUID
    log: str
    epoch: int
    position: int
    type: str
    schema: int
    tenant_id: str
    stream: str
    stream_version: int | None
    payload: bytes
    correlation_id: str
    causation_id: str
    trace: str | None
    actor: str
    occurred_at: datetime


class Delivery(Struct, frozen=True):
    """A message in one consumer's hands. `attempt` counts its deliveries to the group from 1; `ticket` is the adapter's own."""

    message: Message
    attempt: int
    ticket: object


class Tail(Struct, frozen=True):
    """How far a broker's store is. `broker` is its identity, `last` the number it gave to its newest message (0: none)."""

    broker: str
    last: int
    epoch: int
    position: int
    """Epoch and position in the header of the newest message; 0 when it holds none."""


class Unpublishable(Exception):
    """The broker can never take the message at `index` of the batch (too large, a bad subject); `reason` says why."""

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(f"message {index}: {reason}")
        self.index = index
        self.reason = reason


class BusRefused(Exception):
    """This broker cannot keep the laws; the message names the setting, what is wrong with it and the cure."""


class Subscription(Protocol):
    """One member of a group. Each verb raises `Unavailable` while the broker is away; the next call tries again."""

    async def fetch(self, limit: int, wait_seconds: float) -> list[Delivery]:
        """Return up to `limit` messages, waiting for the first one at most so long; none when nothing came."""
        ...

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Say that these are done for good. A word that is lost on the way costs a repeat."""
        ...

    async def retry(self, delivery: Delivery, delay_seconds: float) -> None:
        """Give a message back, to be delivered again after the delay, to any member, with a higher `attempt`."""
        ...

    async def hold(self, delivery: Delivery) -> None:
        """Say that the message is still being worked on: its `ack_seconds` begin anew."""
        ...

    async def close(self) -> None:
        """Leave the group. What is in hand is delivered to another member after `ack_seconds`; the group remains."""
        ...


class Bus(Protocol):
    """One stream of events at a broker. Names are made by `engine.names` and carry the installation."""

    async def open(self) -> None:
        """Connect, create the stream where there is none, and check what the server made of its settings."""
        ...

    async def close(self) -> None:
        """Let go of everything. A second close does nothing."""
        ...

    async def publish(self, messages: Sequence[Message]) -> int:
        """Store messages in order; return how many were acknowledged without a gap, at least one of a batch that is not empty."""
        ...

    async def tail(self) -> Tail:
        """Return how far the broker's store is; `Unavailable` while it is away."""
        ...

    async def subscribe(
        self, group: str, types: Sequence[str], *, in_order: bool = True, ack_seconds: float = 30.0, oldest: bool = False
    ) -> Subscription:
        """Join a group that takes the events of these types (`counter.changed`); make it where there is none.

        A group that has to be made begins with the next message, or with `oldest` at the oldest one held: for a consumer who
        knows (by its checkpoint) that the group was there and the broker has lost it.
        """
        ...

    async def forget(self, group: str) -> None:
        """Remove a group nobody needs any more; one that is not there is no error."""
        ...
