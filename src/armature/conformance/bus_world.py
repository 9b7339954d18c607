"""What the laws of a bus are told with: two buses on one broker, messages, and members who wait for what they expect."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import UUID, uuid4

from msgspec import Struct

from armature.ports.bus import Bus, Delivery, Message, Subscription

__all__ = ["CHANGED", "CREATED", "Bounds", "World", "drained", "event", "events", "positions", "prove", "take", "world"]

CREATED, CHANGED = "counter.created", "counter.changed"
_PATIENCE_SECONDS = 20.0
_LAW_SECONDS = 120.0
_installations = count(1)


class Bounds(Struct, frozen=True):
    """How small the broker is made: `room` is about how many messages of 1 kB it may hold, None: plenty."""

    room: int | None = None
    dedupe_seconds: float = 120.0


class World(Struct, frozen=True):
    """Two buses that share a stream, as two processes would; `make` gives more, and they are closed at the end."""

    a: Bus
    b: Bus
    make: Callable[[], Bus]


@asynccontextmanager
async def world(make: Callable[[str], Bus]) -> AsyncIterator[World]:
    """Open two buses on a stream that no other law uses."""
    installation = f"law{next(_installations)}-{uuid4().hex[:6]}"
    made: list[Bus] = []

    def another() -> Bus:
        made.append(make(installation))
        return made[-1]

    try:
        there = World(another(), another(), another)
        await there.a.open()
        await there.b.open()
        yield there
    finally:
        for bus in made:
            await bus.close()


def prove(law: Coroutine[Any, Any, None]) -> None:
    """Run one law; a bus that hangs breaks it."""

    async def bounded() -> None:
        async with asyncio.timeout(_LAW_SECONDS):
            await law

    asyncio.run(bounded())


def event(
    position: int, *, type: str = CHANGED, payload: bytes = b"{}", key: UUID | None = None, tenant: str = "acme"
) -> Message:
    """A message at a position; each is another event unless `key` is given."""
    return Message(
        event_id=key or uuid4(),
        log="log",
        epoch=3,
        position=position,
        type=type,
        schema=1,
        tenant_id=tenant,
        stream=f"counter/{position % 7}",
        stream_version=position,
        payload=payload,
        correlation_id="correlation",
        causation_id="cause",
        trace=None,
        actor="user:ann",
        occurred_at=datetime(2026, 1, 2, 3, 4, 5, 678901, UTC),
    )


def events(first: int, last: int) -> list[Message]:
    """Messages at all positions from `first` to `last`."""
    return [event(position) for position in range(first, last + 1)]


def positions(found: Sequence[Delivery]) -> list[int]:
    """Where the delivered messages are in the log."""
    return [delivery.message.position for delivery in found]


async def take(member: Subscription, limit: int = 1) -> list[Delivery]:
    """Return what comes next; that nothing comes breaks the law."""
    found = await member.fetch(limit, _PATIENCE_SECONDS)
    assert found, "nothing was delivered"
    return found


async def drained(member: Subscription, wanted: int, limit: int = 100) -> list[Message]:
    """Take and acknowledge so many messages, and see that there are no more."""
    found: list[Message] = []
    while len(found) < wanted:
        taken = await take(member, limit)
        await member.ack(taken)
        found += [delivery.message for delivery in taken]
    assert positions(await member.fetch(limit, 0.1)) == []
    return found
