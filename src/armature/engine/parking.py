"""Streams that had to be set aside: an event a fold could not take, and all that follows it in its stream.

Parking loses nothing: the events are in the log, the row says from where on. A retry applies them in order and takes the
row away when it has reached the checkpoint; killed half way it goes on from where the row then says. A stream that fails
again stays parked, with the new reason.
"""

from datetime import datetime

from msgspec import Struct

from armature.engine.event_log import Logged, Stream
from armature.engine.generations import GenerationRow
from armature.kernel.statement import Statement, change, select
from armature.ports.database import Bound

__all__ = ["PARKED_OF", "PARKING_STATEMENTS", "ParkedStream", "listed", "moved", "park", "released"]


class ParkedStream(Struct, frozen=True):
    """A row of `armature_parked`; `position` is the first event that is not applied whole."""

    projection: str
    generation: int
    tenant_id: str
    stream: str
    position: int
    part: int
    attempts: int
    reason: str
    parked_at: datetime

    @property
    def key(self) -> Stream:
        """Tenant and stream."""
        return self.tenant_id, self.stream


PARKED_OF = select(
    ParkedStream,
    """
select projection, generation, tenant_id, stream, position, part, attempts, reason, parked_at
  from armature_parked
 where projection = :projection and generation = :generation
 order by position
 limit 100000
""",
)

PARK = change(
    """
insert into armature_parked (projection, generation, tenant_id, stream, position, part, attempts, reason, parked_at)
values (:projection, :generation, :tenant_id, :stream, :position, :part, :attempts, :reason, :parked_at)
""",
)

ADVANCE = change(
    """
update armature_parked
   set position = :position, part = :part, attempts = :attempts, reason = :reason
 where projection = :projection and generation = :generation and tenant_id = :tenant_id and stream = :stream
""",
)

RELEASE = change(
    """
delete from armature_parked
 where projection = :projection and generation = :generation and tenant_id = :tenant_id and stream = :stream
""",
)

LISTED = select(
    ParkedStream,
    """
select p.projection, p.generation, p.tenant_id, p.stream, p.position, p.part, p.attempts, p.reason, p.parked_at
  from armature_parked p
  join armature_generations g on g.projection = p.projection and g.generation = p.generation
 where g.state <> 'retired'
 order by p.projection, p.generation, p.position
 limit 1000
""",
)

PARKING_STATEMENTS: tuple[Statement, ...] = (PARKED_OF, PARK, ADVANCE, RELEASE, LISTED)


def park(row: GenerationRow, event: Logged, attempts: int, reason: str, now: datetime) -> ParkedStream:
    """Return the stream of a poisoned event as it is to be parked."""
    where = (row.projection, row.generation, event.tenant_id, event.stream, event.position, row.part)
    return ParkedStream(*where, attempts, reason, now)


def listed() -> Bound:
    """Ask for all parked streams of generations that are live or being built."""
    return LISTED, ()


def moved(stream: ParkedStream, *, born: bool = False) -> Bound:
    """Plan to write down what a parked stream has become; `born` when it was not parked before."""
    return _bound(PARK if born else ADVANCE, stream)


def released(stream: ParkedStream) -> Bound:
    """Plan to take a stream back among the others."""
    return _bound(RELEASE, stream)


def _bound(statement: Statement, stream: ParkedStream) -> Bound:
    return statement, tuple(getattr(stream, name) for name in statement.params)
