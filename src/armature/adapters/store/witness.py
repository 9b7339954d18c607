"""What the file says of a unit whose owner died before it told: the witness is the unit's last event, else its key.

Asked only when another owner has opened the file: then the one before it is dead, and nothing of its can be committed any more.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from armature.kernel.refusals import UnknownOutcome
from armature.kernel.statement import Statement, select
from armature.ports.database import Bound, Committed, Twin, Unit, Verdict

__all__ = ["WITNESSES", "Reads", "ask_the_file"]

Reads = Callable[[Sequence[Bound]], Awaitable[list[list[Any]]]]

# Above what was known when the unit was sent: a walk over what came since, and the identity is in no index.
EVENT = select(int, "select id from armature_outbox where id > :since and event_id = :event_id order by id limit 1")

# A key that expires at that very microsecond is this unit's own, or that of a twin with the same answer.
KEY = select(
    int,
    "select 1 as one from armature_keys where tenant_id = :tenant_id and scope = :scope and expires_at >= :expires_at limit 1",
)

WITNESSES: Iterable[Statement] = (EVENT, KEY)


async def ask_the_file(read: Reads, unit: Unit, since: int) -> Verdict | None:
    """Return the verdict on a unit, None when it was not committed; `UnknownOutcome` for one that nothing witnesses."""
    if unit.events:
        event: UUID = unit.events[-1].event_id
        (found,) = await read(((EVENT, (since, event)),))
        return Committed(found[0]) if found else None
    if unit.key is not None:
        expires: datetime = unit.key.expires_at
        (kept,) = await read(((KEY, (unit.key.tenant_id, unit.key.scope, expires)),))
        # The stored answer is told, which is this unit's or its twin's.
        return Twin() if kept else None
    raise UnknownOutcome
