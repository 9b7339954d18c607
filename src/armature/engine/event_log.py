"""Reading the log: one outbox, dense and final positions, from the table or from the archive that its old part moved to.

A reader asks for what comes after a position and gets the next events without a gap, or `ArchiveHole` with the first one
that is missing. It never gets fewer than there are in a row and never a later one first: what is folded from here may
treat "the last position I saw" as "everything up to it".

On SQLite the autoincrement id is the position, since writers are serial and a rolled back insert gives its id back.
"""

import asyncio
from collections import OrderedDict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import msgspec
from msgspec import Struct

from armature.engine.segments import ArchiveHole, Segment, read_lines
from armature.kernel.projection import Recorded
from armature.kernel.statement import Statement, select
from armature.ports.database import Database

__all__ = ["HEAD", "IDENTITY", "LOG_STATEMENTS", "SEGMENT_AFTER", "EventLog", "Identity", "Logged", "Stream"]


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Stream = tuple[str, str]
"""Tenant and stream: what is parked together, and what arrives in order."""


class Logged(Struct, frozen=True, gc=False):
    """An event as a projector reads it.

    Id and time are kept as they are stored: most folds want neither, and making them is a third of the price of a row.
    """

    tenant_id: str
    position: int
    event_key: bytes
    stream: str
    stream_version: int | None
    at_micros: int
    actor: str
    type: str
    payload: str
    trace: str = ""
    schema: int = 1

    @property
    def event_id(self) -> UUID:
        """The event's id."""
        return UUID(bytes=self.event_key)

    @property
    def occurred_at(self) -> datetime:
        """When it happened, UTC."""
        return _EPOCH + timedelta(microseconds=self.at_micros)


class _Line(Recorded, frozen=True):
    """An event as a segment of the archive holds it; the other columns are passed over."""

    type: str
    payload: str
    trace: str | None = None
    schema: int = 1

    def logged(self) -> Logged:
        since = self.occurred_at - _EPOCH
        micros = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
        where = (self.tenant_id, self.position, self.event_id.bytes, self.stream, self.stream_version)
        return Logged(*where, micros, self.actor, self.type, self.payload, self.trace or "", self.schema)


class Identity(Struct, frozen=True):
    """Which log this is, and how often it was restored or promoted."""

    log: str
    epoch: int


# Columns in the order of the struct's fields, and no NULL where an empty text says the same: a third off the price of a row.
AFTER = select(
    Logged,
    """
select tenant_id, position, uuid_send(event_id) as event_key, stream, stream_version,
       (extract(epoch from occurred_at) * 1000000)::bigint as at_micros, actor, type, payload,
       coalesce(trace, '') as trace, schema
  from armature_outbox
 where position > :after
 order by position
 limit :limit
""",
    sqlite="""
select tenant_id, id as position, event_id as event_key, stream, stream_version,
       occurred_at as at_micros, actor, type, payload,
       coalesce(trace, '') as trace, schema
  from armature_outbox
 where id > :after
 order by id
 limit :limit
""",
)

OF_STREAM = select(
    Logged,
    """
select tenant_id, position, uuid_send(event_id) as event_key, stream, stream_version,
       (extract(epoch from occurred_at) * 1000000)::bigint as at_micros, actor, type, payload,
       coalesce(trace, '') as trace, schema
  from armature_outbox
 where position > :after and position <= :upto and tenant_id = :tenant_id and stream = :stream
 order by position
 limit :limit
""",
    sqlite="""
select tenant_id, id as position, event_id as event_key, stream, stream_version,
       occurred_at as at_micros, actor, type, payload,
       coalesce(trace, '') as trace, schema
  from armature_outbox
 where id > :after and id <= :upto and tenant_id = :tenant_id and stream = :stream
 order by id
 limit :limit
""",
)

# Asked together with AFTER, so that an event which moves to the archive between the two is seen in one of them.
SEGMENT_AFTER = select(
    Segment,
    """
select first_id, last_id, events, file, sha256
  from armature_segments
 where last_id > :after
 order by last_id
 limit 1
""",
)

# The newest id the sequence ever gave, so that a log whose rows are all archived has its head still.
HEAD = select(
    int,
    """
select coalesce(max(position), (select coalesce(max(last_id), 0) from armature_segments)) from armature_outbox
""",
    sqlite="""
select coalesce(max(id), (select coalesce(max(last_id), 0) from armature_segments)) from armature_outbox
""",
)

TOLD_AT = select(
    datetime,
    """
select occurred_at from armature_outbox where position > :after order by position limit 1
""",
    sqlite="""
select occurred_at from armature_outbox where id > :after order by id limit 1
""",
)

IDENTITY = select(Identity, "select log, epoch from armature_log where one = 1")

LOG_STATEMENTS: tuple[Statement, ...] = (AFTER, OF_STREAM, SEGMENT_AFTER, HEAD, TOLD_AT, IDENTITY)

_SEGMENTS_KEPT = 2  # a live reader and a rebuild; each may be 50 000 events, about 20 MB


class EventLog:
    """The log of one database. Shared by all projections of a process."""

    def __init__(self, database: Database, archive: Path) -> None:
        self._read = database.read
        self._archive = archive
        self._decode = msgspec.json.Decoder(_Line).decode
        self._segments: OrderedDict[int, list[bytes]] = OrderedDict()
        self._newest: tuple[int, int, list[Logged]] = (-1, 0, [])
        """What was last read from the table: the projections of a process follow the log side by side and share it."""
        database.bind(LOG_STATEMENTS)

    async def after(self, position: int, limit: int) -> list[Logged]:
        """Return up to `limit` events that follow `position` without a gap; none when nothing follows yet."""
        if self._newest[:2] == (position, limit):
            return self._newest[2]
        (rows,) = await self._read(((AFTER, (position, limit)),))
        if not rows or rows[0].position != position + 1:
            # Nothing new, or it is in the archive: only the two as of one state tell which.
            rows, segments = await self._read(((AFTER, (position, limit)), (SEGMENT_AFTER, (position,))))
        if rows and rows[0].position == position + 1:
            if rows[-1].position == position + len(rows):
                self._newest = (position, limit, rows)
                return rows
            return [row for at, row in enumerate(rows, position + 1) if row.position == at]
        if segments and segments[0].first_id <= position + 1:
            return await self._archived(segments[0], position, limit)
        if not rows and not segments:
            return []
        raise ArchiveHole(position + 1, _hole(position, segments, rows))

    async def of_stream(self, stream: Stream, after: int, upto: int, limit: int) -> tuple[list[Logged], int]:
        """Return up to `limit` events of one stream that follow `after`, and up to where the log was searched."""
        asked = (OF_STREAM, (after, upto, *stream, limit))
        rows, segments = await self._read((asked, (SEGMENT_AFTER, (after,))))
        if not segments:
            return rows, rows[-1].position if len(rows) == limit else upto
        if segments[0].first_id > after + 1:
            raise ArchiveHole(after + 1, _hole(after, segments, rows))
        events = await self._archived(segments[0], after, segments[0].events)
        mine = [event for event in events if (event.tenant_id, event.stream) == stream and event.position <= upto]
        return mine[:limit], mine[limit - 1].position if len(mine) >= limit else min(upto, segments[0].last_id)

    async def head(self) -> int:
        """Return the newest position there is, 0 for an empty log."""
        ((head,),) = await self._read(((HEAD, ()),))
        return int(head)

    async def told_at(self, position: int) -> datetime | None:
        """Return when the first event after `position` that is still in the table happened."""
        (rows,) = await self._read(((TOLD_AT, (position,)),))
        return rows[0] if rows else None

    async def identity(self) -> Identity:
        """Return which log this is."""
        ((identity,),) = await self._read(((IDENTITY, ()),))
        return identity  # type: ignore[no-any-return]

    async def _archived(self, segment: Segment, position: int, limit: int) -> list[Logged]:
        lines = self._segments.get(segment.first_id)
        if lines is None:
            # Off the loop: a segment is megabytes to read, unpack and hash.
            lines = await asyncio.to_thread(read_lines, self._archive, segment, position + 1)
            self._segments[segment.first_id] = lines
            if len(self._segments) > _SEGMENTS_KEPT:
                self._segments.popitem(last=False)
        start = position + 1 - segment.first_id
        events = [self._decode(line).logged() for line in lines[start : start + limit]]
        for at, event in enumerate(events, position + 1):
            if event.position != at:
                raise ArchiveHole(at, f"{segment.file} holds position {event.position} in its place")
        return events


def _hole(position: int, segments: list[Segment], rows: list[Logged]) -> str:
    if segments:
        return f"the archive goes on at {segments[0].first_id}, and the table does not hold it"
    return f"the archive does not hold it, and the table begins after it at {rows[0].position}"
