"""Events that a broker can never take, and what waits behind them: written down, held, and offered again when somebody asks.

Nothing is lost by it: the events are in the log. A stream is held from its first refused event on, so that no consumer sees a
later one first; the others go on.
"""

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from armature.kernel.statement import Statement, change, select
from armature.ports.bus import Message
from armature.ports.database import Bound

__all__ = ["HELD", "QUARANTINED", "QUARANTINE_STATEMENTS", "Held", "Quarantined", "released", "set_aside"]


class Held(Struct, frozen=True):
    """A stream that is held."""

    tenant_id: str
    stream: str


class Quarantined(Struct, frozen=True):
    """A row of `armature_quarantine`."""

    sink: str
    position: int
    tenant_id: str
    stream: str
    event_id: UUID
    type: str
    reason: str
    quarantined_at: datetime


HELD = select(
    Held,
    """
select distinct tenant_id, stream from armature_quarantine where sink = :sink
""",
)

QUARANTINED = select(
    Quarantined,
    """
select sink, position, tenant_id, stream, event_id, type, reason, quarantined_at
  from armature_quarantine
 where position > :after
 order by position, sink
 limit :limit
""",
)

# A relay that publishes again after a loss passes over what it has set aside before.
SET_ASIDE = change(
    """
insert into armature_quarantine (sink, position, tenant_id, stream, event_id, type, reason, quarantined_at)
values (:sink, :position, :tenant_id, :stream, :event_id, :type, :reason, :now)
    on conflict (sink, position) do nothing
""",
    rows=None,
)

RELEASED = change(
    """
delete from armature_quarantine where sink = :sink and position = :position
""",
    row=("sink", "position"),
)

QUARANTINE_STATEMENTS: tuple[Statement, ...] = (HELD, QUARANTINED, SET_ASIDE, RELEASED)


def set_aside(sink: str, event: Message, reason: str, now: datetime) -> Bound:
    """Plan to write an event down."""
    about = (sink, event.position, event.tenant_id, event.stream, event.event_id, event.type)
    return SET_ASIDE, (*about, reason[:500], now)


def released(sink: str, position: int) -> Bound:
    """Plan to take one back: the broker has it now."""
    return RELEASED, (sink, position)
