"""Moving one generation of one projection along the log: read, fold, commit changes and checkpoint together.

A step is bounded and may be killed anywhere: either its unit is committed, with the checkpoint that says so, or nothing
is. The checkpoint's version decides between two projectors of one generation; the loser looks at the database again and
goes on from there. It never skips a position: what cannot be folded stops its stream (`order="stream"`) or everything.

An event that is refused (its fold raises, or the database refuses its changes) is tried alone, so that the culprit is
found in a batch, and again, because a refusal may have been a passing one. Then it is parked or halts the generation.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from enum import Enum
from time import monotonic, time_ns

import msgspec

from armature.engine import parking
from armature.engine.adding import added_up
from armature.engine.crash import crashpoint
from armature.engine.event_log import EventLog, Logged, Stream
from armature.engine.folding import Chunk, Folding
from armature.engine.generations import ALL, GenerationRow, Model, roll_forward, unit
from armature.engine.parking import PARKED_OF, PARKING_STATEMENTS, ParkedStream
from armature.engine.policies import ProjectionPolicy
from armature.engine.segments import ArchiveHole
from armature.kernel.failure import Failure
from armature.kernel.statement import Statement
from armature.ports.database import Bound, Committed, Conflict, Database, Verdict, Violated

__all__ = ["OnBatch", "Outcome", "Projector"]

OnBatch = Callable[[str, Sequence[Logged], int, int], None]
"""Told after a commit: the projection, the events it finished, and its start and end in nanoseconds of the wall clock."""

OnTables = Callable[[Statement], Statement]
"""Gives a statement's twin on the tables of a generation."""


class Outcome(Enum):
    """How a step ended."""

    IDLE = "idle"
    MOVED = "moved"
    REFUSED = "refused"
    LOST = "lost"
    PARKED = "parked"
    HALTED = "halted"
    GONE = "gone"


class Projector:
    """One generation of one projection; `row` is its checkpoint as last committed or read."""

    def __init__(
        self, database: Database, log: EventLog, model: Model, row: GenerationRow, policy: ProjectionPolicy, tables: OnTables
    ) -> None:
        database.bind(PARKING_STATEMENTS)
        self._database = database
        self._log = log
        self._policy = policy
        self._folding = Folding(model.projection, tables, as_kept=database.takes_kept)
        self._events: list[Logged] = []
        self._attempts = 0
        self._alone_until = 0
        self._loaded = False
        self._read_all = False
        self.model = model
        self.row = row
        self.parked: dict[Stream, ParkedStream] = {}
        self.halted = ""
        """Why nothing moves any more; empty while it does."""
        self.ahead = ""
        """Why its checkpoint cannot be of this log. Once said it stays, also when the log has grown past it meanwhile."""
        self.hole = False
        """True when what halts it is a hole in the log."""
        self.idle_since: float | None = None
        """When it found nothing to do (monotonic), None while it has some; the log watch compares it with the table."""
        self.caught_up = False
        """True when it has applied all there was when it last read. Under steady writes it is never idle."""
        self.behind_since: datetime | None = None
        """When the oldest event it works on happened; None when it has none."""

    def adopt(self, row: GenerationRow) -> None:
        """Hear how the database describes this generation; look again before the next step if it has moved."""
        self._loaded = self._loaded and row.version == self.row.version
        self.row = msgspec.structs.replace(self.row, state=row.state)

    async def load(self) -> bool:
        """Read checkpoint and parked streams as of one state; False if the generation is gone."""
        name, number = self.model.name, self.row.generation
        rows, parked = await self._database.read(((ALL, (name,)), (PARKED_OF, (name, number))))
        found = [row for row in rows if row.generation == number]
        self.parked = {stream.key: stream for stream in parked}
        self._events = []
        self._loaded = True
        if found:
            self.row = found[0]
        return bool(found) and self.row.state != "retired"

    async def step(self, now: datetime, on_batch: OnBatch | None = None) -> Outcome:
        """Apply what one commit may carry. `now` is only written beside a parked stream."""
        if self.ahead:
            self.halted = self.ahead
            return Outcome.HALTED
        if not self._loaded and not await self.load():
            return Outcome.GONE
        try:
            events = self._events or await self._read()
        except ArchiveHole as hole:
            self.halted, self.hole = str(hole), True
            return Outcome.HALTED
        if not events:
            self.halted, self.hole, self.caught_up, self.idle_since, self.behind_since = "", False, True, monotonic(), None
            return Outcome.IDLE
        self.idle_since, self.behind_since = None, events[0].occurred_at
        started = time_ns()
        alone = self.row.position < self._alone_until
        chunk = self._folding.chunk(events[:1] if alone else events, self.row.part, self.parked, self._policy.chunk_rows)
        if chunk.failed is not None:
            return await self._refused(chunk.failed, chunk.reason, now)
        refusal, ahead = await self._commit_reading_ahead(chunk, events)
        if refusal is not None:
            return await self._judge(events[max(chunk.events, 1) - 1], events[0], refusal, now)
        self._events = ahead
        self.caught_up = self._read_all and not self._events and not chunk.part
        self._attempts, self.halted, self.hole = 0, "", False
        if on_batch is not None and chunk.events:
            on_batch(self.model.name, events[: chunk.events], started, time_ns())
        return Outcome.MOVED

    async def retry(self, stream: ParkedStream) -> str | None:
        """Apply what one commit may carry of a parked stream's events.

        Returns the reason if it has to stay parked, None when it moved; it has left `parked` when it caught up.
        """
        upto = self.row.position
        events, searched = await self._log.of_stream(stream.key, stream.position - 1, upto, self._policy.batch_events)
        refusal = await self._retry(stream, events, searched)
        if refusal is not None and len(events) > 1 and self._loaded:
            refusal = await self._retry(stream, events[:1], events[0].position)
        if refusal is None or not self._loaded:
            return None
        failed = msgspec.structs.replace(stream, attempts=stream.attempts + 1, reason=refusal)
        if await self._commit([parking.moved(failed)], upto, self.row.part) is None:
            self.parked[stream.key] = failed
        return refusal

    def _batch(self) -> int:
        # A rebuild fills its commits; a live generation has seldom more than a few events. One becomes the other.
        policy = self._policy
        return max(policy.batch_events, policy.chunk_rows) if self.row.state == "building" else policy.batch_events

    async def _read(self) -> list[Logged]:
        self._events = await self._log.after(self.row.position, self._batch())
        self._read_all = len(self._events) < self._batch()
        return self._events

    async def _commit_reading_ahead(self, chunk: Chunk, events: list[Logged]) -> tuple[str | None, list[Logged]]:
        """Commit a chunk; where more is waiting, read it while the disk is busy."""
        left = events[chunk.events :]
        if left or self._read_all or chunk.part:
            return await self._commit(chunk.writes, chunk.position, chunk.part), left
        committing = asyncio.ensure_future(self._commit(chunk.writes, chunk.position, chunk.part))
        try:
            left = await self._log.after(chunk.position, self._batch())
        except (ArchiveHole, Failure):
            # Found again by the next step, where it counts.
            return await committing, []
        self._read_all = len(left) < self._batch()
        return await committing, left

    async def _retry(self, stream: ParkedStream, events: list[Logged], searched: int) -> str | None:
        before = self.row
        chunk = Chunk([], searched, 0, 0)
        if events:
            chunk = self._folding.chunk(events, stream.part, (), self._policy.chunk_rows)
            if chunk.failed is not None:
                return chunk.reason
            if chunk.events == len(events):
                chunk.position = searched
        after = msgspec.structs.replace(stream, position=chunk.position + 1, part=chunk.part)
        done = chunk.position >= before.position and not chunk.part
        write = parking.released(stream) if done else parking.moved(after)
        refusal = await self._commit([*chunk.writes, write], before.position, before.part)
        if refusal is not None:
            await self.load()
            # Another projector moved the checkpoint meanwhile: nothing is wrong with the stream, ask again.
            self._loaded = self.row.version == before.version
            return refusal
        self.parked.pop(stream.key)
        if not done:
            self.parked[stream.key] = after
        return None

    async def _commit(self, writes: Sequence[Bound], position: int, part: int) -> str | None:
        """Commit changes with the checkpoint; return why it was refused."""
        crashpoint("projector.applied")
        try:
            # The checkpoint first: who lost the race finds out before it has changed anything.
            verdict = await self._database.commit(unit([roll_forward(self.row, position, part), *added_up(writes)]))
        except Failure:
            # The database is away, or does not know; that says nothing about the events. Look again before going on.
            self._loaded = False
            raise
        except Exception as error:
            return f"{type(error).__name__}: {error}"[:500]
        if not isinstance(verdict, Committed):
            return _words(verdict)
        crashpoint("projector.committed")
        self.row = msgspec.structs.replace(self.row, position=position, part=part, version=self.row.version + 1)
        return None

    async def _judge(self, last: Logged, first: Logged, refusal: str, now: datetime) -> Outcome:
        version = self.row.version
        if not await self.load():
            return Outcome.GONE
        if self.row.version != version:
            return Outcome.LOST
        if last.position > first.position:
            self._alone_until = last.position
            return Outcome.REFUSED
        return await self._refused(first, refusal, now)

    async def _refused(self, event: Logged, reason: str, now: datetime) -> Outcome:
        self._attempts += 1
        if self._attempts < self._policy.park_after_attempts:
            return Outcome.REFUSED
        if self.model.projection.order != "stream":
            self.halted = f"event {event.position} ({event.type}) cannot be folded: {reason}"
            return Outcome.HALTED
        stream = parking.park(self.row, event, self._attempts, reason, now)
        if await self._commit([parking.moved(stream, born=True)], event.position, 0) is not None:
            self._loaded = False
            return Outcome.LOST
        self.parked[stream.key] = stream
        self._events, self._attempts = [], 0
        return Outcome.PARKED


def _words(verdict: Verdict) -> str:
    match verdict:
        case Conflict(statement=statement):
            return f"{statement.home}: the change did not touch the number of rows it declares"
        case Violated(constraint=constraint):
            return f"the unique index {constraint} refused the change"
        case _:
            return f"the database answered {type(verdict).__name__}"
