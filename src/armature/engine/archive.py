"""Moving the old part of the log into files, so that the table does not grow for ever and nothing is lost.

The order is the whole safety: the file is written, hashed and synced; then a row records it; only then are the events
deleted, in pieces. Killed anywhere, the next run goes on: a file without a row is written again, a row whose events are still
in the table has them deleted. Whoever reads from the beginning reads the files (event_log.py).
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from msgspec import Struct

from armature.engine.crash import crashpoint
from armature.engine.generations import unit
from armature.engine.policies import RetentionPolicy
from armature.engine.segments import Segment, SegmentFile, remove_leftovers
from armature.kernel.statement import Statement, change, select
from armature.ports.database import Committed, Database

__all__ = ["ARCHIVE_STATEMENTS", "ENTRIES", "Archive", "Entry"]

_READ_ROWS = 2_000
_TRIM_ROWS = 2_000  # about 5 ms of the writer's time


class Entry(Struct, frozen=True):
    """An event with all its columns: what a line of a segment holds. A projector reads the same line."""

    position: int
    event_id: UUID
    type: str
    schema: int
    tenant_id: str
    stream: str
    stream_version: int | None
    payload: str
    correlation_id: str
    causation_id: str
    trace: str | None
    actor: str
    subject: str | None
    partition: int
    occurred_at: datetime


class Edges(Struct, frozen=True):
    """Where the table begins and the archive ends; 0 for nothing."""

    table_first: int
    archive_last: int
    passed: int
    """Every generation that a living process reads has applied so far."""


EDGES = select(
    Edges,
    """
select (select coalesce(min(o.position), 0) from armature_outbox o) as table_first,
       (select coalesce(max(s.last_id), 0) from armature_segments s) as archive_last,
       (select coalesce(min(c.position), 9223372036854775807)
          from armature_checkpoints c
          join armature_generations g on g.projection = c.projection and g.generation = c.generation
         where g.state = 'live' and g.announced_at > :alive_after) as passed
""",
    sqlite="""
select (select coalesce(min(o.id), 0) from armature_outbox o) as table_first,
       (select coalesce(max(s.last_id), 0) from armature_segments s) as archive_last,
       (select coalesce(min(c.position), 9223372036854775807)
          from armature_checkpoints c
          join armature_generations g on g.projection = c.projection and g.generation = c.generation
         where g.state = 'live' and g.announced_at > :alive_after) as passed
""",
)

ENTRIES = select(
    Entry,
    """
select position, event_id, type, schema, tenant_id, stream, stream_version, payload, correlation_id, causation_id, trace,
       actor, subject, partition, occurred_at
  from armature_outbox
 where position > :after and position <= :upto
 order by position
 limit :limit
""",
    sqlite="""
select id as position, event_id, type, schema, tenant_id, stream, stream_version, payload, correlation_id, causation_id, trace,
       actor, subject, partition, occurred_at
  from armature_outbox
 where id > :after and id <= :upto
 order by id
 limit :limit
""",
)

YOUNGEST = select(
    datetime,
    """
select max(occurred_at)
  from (select position, occurred_at from armature_outbox where position > :after and position <= :upto) piece
having count(*) = :upto - :after
""",
    sqlite="""
select max(occurred_at)
  from (select id, occurred_at from armature_outbox where id > :after and id <= :upto) piece
having count(*) = :upto - :after
""",
)

RECORD = change(
    """
insert into armature_segments (first_id, last_id, events, file, sha256, closed_at)
values (:first_id, :last_id, :events, :file, :sha256, :closed_at)
""",
)

TRIM = change(
    """
delete from armature_outbox where position <= :upto
""",
    sqlite="""
delete from armature_outbox where id <= :upto
""",
    rows=None,
)

ARCHIVE_STATEMENTS: tuple[Statement, ...] = (EDGES, ENTRIES, YOUNGEST, RECORD, TRIM)


class Archive:
    """The archive of one log, in one folder."""

    def __init__(
        self,
        database: Database,
        folder: Path,
        policy: RetentionPolicy,
        now: Callable[[], datetime],
        generation_keep_seconds: float,
    ) -> None:
        self._database = database
        self._folder = folder
        self._policy = policy
        self._now = now
        self._alive = timedelta(seconds=generation_keep_seconds)
        database.bind(ARCHIVE_STATEMENTS)

    async def run(self) -> int:
        """Finish what an earlier run began, then archive every closed segment that is old enough; return how many."""
        if self._folder.exists():
            await asyncio.to_thread(remove_leftovers, self._folder)
        await self._trim()
        written = 0
        while await self._next():
            written += 1
            await self._trim()
        return written

    async def _next(self) -> bool:
        edges = await self._edges()
        after = edges.archive_last
        upto = after + self._policy.segment_events
        if edges.passed < upto:
            return False
        (youngest,) = await self._database.read(((YOUNGEST, (after, upto)),))
        if not youngest or youngest[0] > self._now() - timedelta(days=self._policy.log_days):
            return False
        segment = await self._write(after, upto)
        crashpoint("archive.written")
        values = {name: getattr(segment, name) for name in segment.__struct_fields__} | {"closed_at": self._now()}
        verdict = await self._database.commit(unit([(RECORD, tuple(values[name] for name in RECORD.params))]))
        crashpoint("archive.recorded")
        # Refused: another process recorded this segment first, with the same bytes.
        return isinstance(verdict, Committed)

    async def _write(self, after: int, upto: int) -> Segment:
        file = SegmentFile(self._folder, after + 1, upto)
        while after < upto:
            (entries,) = await self._database.read(((ENTRIES, (after, upto, _READ_ROWS)),))
            await asyncio.to_thread(file.add, entries)
            after = entries[-1].position
        return await asyncio.to_thread(file.close)

    async def _trim(self) -> None:
        edges = await self._edges()
        first = edges.table_first
        while 0 < first <= edges.archive_last:
            first = min(first + _TRIM_ROWS, edges.archive_last + 1)
            await self._database.commit(unit([(TRIM, (first - 1,))]))
            crashpoint("archive.trimmed")

    async def _edges(self) -> Edges:
        ((edges,),) = await self._database.read(((EDGES, (self._now() - self._alive,)),))
        return edges  # type: ignore[no-any-return]
