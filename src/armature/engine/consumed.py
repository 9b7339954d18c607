"""What a consumer has written down: which events it took, how far it is in each stream, what it could not take.

The inbox row and the step in the stream are part of the unit that has the effect; so both are there or none is, and of two
members who work on one event one commits.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from armature.engine.consumer_core import Standing
from armature.engine.event_log import Identity, Stream
from armature.kernel.statement import Statement, change, select
from armature.ports.bus import Message
from armature.ports.database import Bound, Database

__all__ = [
    "CONSUMED_STATEMENTS",
    "DEAD",
    "TAKE",
    "ConsumerRow",
    "DeadLetter",
    "moved",
    "parked",
    "register",
    "registered",
    "released",
    "standing",
    "taken",
    "waits",
]


class ConsumerRow(Struct, frozen=True):
    """A row of `armature_consumers`."""

    log: str
    epoch: int
    started: int
    position: int

    @property
    def identity(self) -> Identity:
        """Which log it speaks of."""
        return Identity(self.log, self.epoch)


class DeadLetter(Struct, frozen=True):
    """A row of `armature_dead_letters`; `position` is the first event of the stream that is not applied."""

    consumer: str
    tenant_id: str
    stream: str
    position: int
    waiting: int
    event_id: UUID
    type: str
    attempts: int
    reason: str
    parked_at: datetime

    @property
    def key(self) -> Stream:
        """Tenant and stream."""
        return self.tenant_id, self.stream


class _Passed(Struct, frozen=True):
    version: int
    position: int


ROW = select(ConsumerRow, "select log, epoch, started, position from armature_consumers where consumer = :consumer")
SEEN = select(int, "select 1 as seen from armature_inbox where consumer = :consumer and event_id = :event_id")
PASSED = select(
    _Passed,
    """
select version, position from armature_consumed where consumer = :consumer and tenant_id = :tenant_id and stream = :stream
""",
)
HELD = select(
    int,
    """
select 1 as held from armature_dead_letters where consumer = :consumer and tenant_id = :tenant_id and stream = :stream
""",
)
DEAD = select(
    DeadLetter,
    """
select consumer, tenant_id, stream, position, waiting, event_id, type, attempts, reason, parked_at
  from armature_dead_letters
 where consumer = :consumer
 order by position
 limit 1000
""",
)

REGISTER = change(
    """
insert into armature_consumers (consumer, log, epoch, started, position)
values (:consumer, :log, :epoch, :started, :started)
    on conflict (consumer) do nothing
""",
    rows=None,
)
ADVANCE = change(
    """
update armature_consumers set position = :position where consumer = :consumer and position < :position
""",
    rows=None,
)
TAKE = change(
    """
insert into armature_inbox (consumer, event_id, taken_at) values (:consumer, :event_id, :now)
    on conflict (consumer, event_id) do nothing
""",
)
FIRST = change(
    """
insert into armature_consumed (consumer, tenant_id, stream, version, position)
values (:consumer, :tenant_id, :stream, :version, :position)
    on conflict (consumer, tenant_id, stream) do nothing
""",
)
NEXT = change(
    """
update armature_consumed
   set version = :version, position = :position
 where consumer = :consumer and tenant_id = :tenant_id and stream = :stream and version = :before
""",
)
PARK = change(
    """
insert into armature_dead_letters (consumer, tenant_id, stream, position, waiting, event_id, type, attempts, reason, parked_at)
values (:consumer, :tenant_id, :stream, :position, :position, :event_id, :type, :attempts, :reason, :now)
    on conflict (consumer, tenant_id, stream) do update
   set position = excluded.position, event_id = excluded.event_id, type = excluded.type, attempts = excluded.attempts,
       reason = excluded.reason
""",
)
# What is delivered while its stream is parked is acknowledged, because the log has it; so the row must know of it. It may
# be older than what was parked: a broker that repeats does not keep the order of a stream without versions.
WAIT = change(
    """
update armature_dead_letters
   set waiting = case when waiting < :position then :position else waiting end,
       position = case when position > :position then :position else position end
 where consumer = :consumer and tenant_id = :tenant_id and stream = :stream
""",
)
RELEASE = change(
    """
delete from armature_dead_letters
 where consumer = :consumer and tenant_id = :tenant_id and stream = :stream
   and position >= :since and waiting <= :upto
""",
)

CONSUMED_STATEMENTS: tuple[Statement, ...] = (
    ROW, SEEN, PASSED, HELD, DEAD, REGISTER, ADVANCE, TAKE, FIRST, NEXT, PARK, WAIT, RELEASE
)  # fmt: skip


async def registered(database: Database, consumer: str) -> ConsumerRow | None:
    """Return how far a consumer is, None for one that has never run."""
    (rows,) = await database.read(((ROW, (consumer,)),))
    return rows[0] if rows else None


async def standing(database: Database, consumer: str, row: ConsumerRow, message: Message) -> Standing:
    """Read what is written down about an event and its stream, as of one state."""
    stream = (consumer, message.tenant_id, message.stream)
    asks = ((SEEN, (consumer, message.event_id)), (PASSED, stream), (HELD, stream))
    seen, passed, held = await database.read(asks)
    at = passed[0] if passed else None
    return Standing(row.started, bool(seen), at.version if at else None, at.position if at else 0, bool(held))


def taken(consumer: str, message: Message, before: Standing, now: datetime) -> list[Bound]:
    """Plan what the unit of an event's effect carries: the inbox row, and the step in a stream that counts its versions."""
    writes: list[Bound] = [(TAKE, (consumer, message.event_id, now))]
    if message.stream_version is not None:
        values: dict[str, Any] = {"consumer": consumer, "tenant_id": message.tenant_id, "stream": message.stream}
        values |= {"version": message.stream_version, "position": message.position, "before": before.version}
        step = FIRST if before.version is None else NEXT
        writes.append((step, tuple(values[name] for name in step.params)))
    return writes


def parked(consumer: str, message: Message, attempts: int, reason: str, now: datetime) -> Bound:
    """Plan to set a stream aside from this event on."""
    about = (consumer, message.tenant_id, message.stream, message.position, message.event_id, message.type)
    return PARK, (*about, attempts, reason[:500], now)


def moved(consumer: str, position: int) -> Bound:
    """Plan to write down that a consumer is done with everything up to a position."""
    return ADVANCE, tuple({"consumer": consumer, "position": position}[name] for name in ADVANCE.params)


def register(consumer: str, log: Identity, started: int) -> Bound:
    """Plan to enter a consumer that takes what is recorded after `started`."""
    return REGISTER, (consumer, log.log, log.epoch, started)


def waits(consumer: str, message: Message) -> Bound:
    """Plan to write down that an event waits behind a parked one; nothing is changed when the stream is parked no more."""
    values = {"consumer": consumer, "tenant_id": message.tenant_id, "stream": message.stream, "position": message.position}
    return WAIT, tuple(values[name] for name in WAIT.params)


def released(letter: DeadLetter) -> Bound:
    """Plan to take a stream back among the others, unless more waits by now than the letter says."""
    return RELEASE, (letter.consumer, *letter.key, letter.position, letter.waiting)
