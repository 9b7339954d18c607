"""The log as it is carried out: whole events, as messages, from the table or from the archive that its old part moved to.

As strict as the reader of projections: the next events without a gap, or `ArchiveHole`.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Protocol

import msgspec
from msgspec import Struct

from armature.engine.archive import ENTRIES, Entry
from armature.engine.event_log import HEAD, IDENTITY, SEGMENT_AFTER, Identity, Stream
from armature.engine.policies import DeliveryPolicy
from armature.engine.requests import Requests
from armature.engine.segments import ArchiveHole, Segment, read_lines
from armature.kernel.statement import Statement, select
from armature.ports.bus import Bus, Message
from armature.ports.database import Database

__all__ = ["DELIVERY_LOG_STATEMENTS", "DeliveryLog", "DeliveryParts", "ReadLog"]

_END = 9_223_372_036_854_775_807

OF_STREAM = select(
    Entry,
    """
select position, event_id, type, schema, tenant_id, stream, stream_version, payload, correlation_id, causation_id, trace,
       actor, subject, partition, occurred_at
  from armature_outbox
 where position > :after and position <= :upto and tenant_id = :tenant_id and stream = :stream
 order by position
 limit :limit
""",
    sqlite="""
select id as position, event_id, type, schema, tenant_id, stream, stream_version, payload, correlation_id, causation_id, trace,
       actor, subject, partition, occurred_at
  from armature_outbox
 where id > :after and id <= :upto and tenant_id = :tenant_id and stream = :stream
 order by id
 limit :limit
""",
)

DELIVERY_LOG_STATEMENTS: tuple[Statement, ...] = (ENTRIES, OF_STREAM, SEGMENT_AFTER, HEAD, IDENTITY)


class DeliveryLog:
    """Messages out of one database's log. `identity` must be set (by `look`) before the first read."""

    def __init__(self, database: Database, archive: Path) -> None:
        self._read = database.read
        self._archive = archive
        self._decode = msgspec.json.Decoder(Entry).decode
        self._segment: tuple[int, list[bytes]] = (-1, [])
        self.identity = Identity("", 0)
        database.bind(DELIVERY_LOG_STATEMENTS)

    async def look(self) -> int:
        """Learn which log this is; return its newest position."""
        identities, heads = await self._read(((IDENTITY, ()), (HEAD, ())))
        self.identity = identities[0]
        return int(heads[0])

    async def after(self, position: int, limit: int) -> list[Message]:
        """Return up to `limit` events that follow `position` without a gap; none when nothing follows yet."""
        rows, segments = await self._read(((ENTRIES, (position, _END, limit)), (SEGMENT_AFTER, (position,))))
        if rows and rows[0].position == position + 1:
            return [self._message(row) for at, row in enumerate(rows, position + 1) if row.position == at]
        if segments and segments[0].first_id <= position + 1:
            return [self._message(row) for row in await self._archived(segments[0], position, limit)]
        if not rows and not segments:
            return []
        raise ArchiveHole(position + 1, "neither the archive nor the table holds it")

    async def of_stream(self, stream: Stream, after: int, upto: int, limit: int) -> list[Message]:
        """Return the first events of one stream in (after, upto], at least one if there is any, at most `limit`."""
        while after < upto:
            rows, segments = await self._read(((OF_STREAM, (after, upto, *stream, limit)), (SEGMENT_AFTER, (after,))))
            if not segments:
                return [self._message(row) for row in rows]
            if segments[0].first_id > after + 1:
                raise ArchiveHole(after + 1, f"the archive goes on at {segments[0].first_id}")
            archived = await self._archived(segments[0], after, segments[0].events)
            mine = [row for row in archived if (row.tenant_id, row.stream) == stream and row.position <= upto]
            if mine:
                return [self._message(row) for row in mine[:limit]]
            after = segments[0].last_id
        return []

    async def _archived(self, segment: Segment, position: int, limit: int) -> list[Entry]:
        if self._segment[0] != segment.first_id:
            lines = await asyncio.to_thread(read_lines, self._archive, segment, position + 1)
            self._segment = segment.first_id, lines
        start = position + 1 - segment.first_id
        return [self._decode(line) for line in self._segment[1][start : start + limit]]

    def _message(self, row: Entry) -> Message:
        return Message(
            row.event_id,
            self.identity.log,
            self.identity.epoch,
            row.position,
            row.type,
            row.schema,
            row.tenant_id,
            row.stream,
            row.stream_version,
            row.payload.encode(),
            row.correlation_id,
            row.causation_id,
            row.trace,
            row.actor,
            row.occurred_at,
        )


class ReadLog(Protocol):
    """A log as relay and consumers read it: that of this process, or of another one."""

    identity: Identity

    async def look(self) -> int:
        """Learn which log this is; return its newest position."""
        ...

    async def after(self, position: int, limit: int) -> list[Message]:
        """Return up to `limit` events that follow `position` without a gap; none when nothing follows yet."""
        ...

    async def of_stream(self, stream: Stream, after: int, upto: int, limit: int) -> list[Message]:
        """Return the first events of one stream in (after, upto], at least one if there is any, at most `limit`."""
        ...


class DeliveryParts(Struct, frozen=True):
    """What the relay, or a consumer, works with."""

    database: Database
    events: ReadLog
    bus: Bus
    requests: Requests
    policy: DeliveryPolicy
    now: Callable[[], datetime]
    clock: Callable[[], float] = monotonic
