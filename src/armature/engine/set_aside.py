"""What the delivery of events has set aside, seen and decided from outside: streams that a consumer parked, and events that the
broker cannot take.

Reads the rows that the roles write, so it tells the truth from any machine. A retry is a wish to the role (engine/requests.py);
a drop is somebody's decision that an event shall have no effect, and is written as the consumer would have written its effect.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from msgspec import Struct

from armature.engine.consumed import CONSUMED_STATEMENTS, DeadLetter, registered, standing, taken
from armature.engine.delivery_log import DeliveryLog, ReadLog
from armature.engine.generations import unit
from armature.engine.quarantine import QUARANTINE_STATEMENTS, QUARANTINED, Quarantined, released
from armature.engine.relay import wish_subject
from armature.kernel.refusals import Unavailable
from armature.kernel.statement import select
from armature.ports.database import Bound, Committed, Database

__all__ = ["SET_ASIDE_STATEMENTS", "Aside", "LogOf", "SetAside"]

CONSUMERS = select(str, "select consumer from armature_consumers order by consumer limit 1000")

SINKS = select(str, "select sink from armature_cursors order by sink limit 1000")

LETTERS = select(
    DeadLetter,
    """
select consumer, tenant_id, stream, position, waiting, event_id, type, attempts, reason, parked_at
  from armature_dead_letters
 order by consumer, position
 limit 1000
""",
)

SET_ASIDE_STATEMENTS = (CONSUMERS, SINKS, LETTERS)

_ROWS_MAX = 1_000

LogOf = Callable[[str], Awaitable[ReadLog | None]]
"""Finds the log of that name in another database; None where there is none."""


class Aside(Struct, frozen=True):
    """A stream that waits. `by` is the consumer's name, or `relay:` and the sink's; `position` is its first event that waits."""

    by: str
    tenant_id: str
    stream: str
    position: int
    type: str
    reason: str
    since: datetime
    attempts: int = 1


class SetAside:
    """What is set aside in one database, and the dropping of it."""

    def __init__(
        self, database: Database, events: DeliveryLog, now: Callable[[], datetime], elsewhere: LogOf | None = None
    ) -> None:
        self._database = database
        self._events = events
        self._elsewhere = elsewhere
        self._now = now

    async def names(self) -> list[str]:
        """Return everybody who may set something aside: `relay:broker`, and the consumers."""
        self._bind()
        sinks, consumers = await self._database.read(((SINKS, ()), (CONSUMERS, ())))
        return [*map(wish_subject, sinks), *consumers]

    async def streams(self, by: str = "") -> list[Aside]:
        """Return up to 1 000 streams of each kind, of one name or of all."""
        self._bind()
        letters, rows = await self._database.read(((LETTERS, ()), (QUARANTINED, (0, _ROWS_MAX))))
        found = [*_first(rows), *map(_parked, letters)]
        return [one for one in found if by in ("", one.by)]

    async def drop(self, aside: Aside) -> bool:
        """Decide that the stream's first waiting event has no effect; False when it does not wait any more.

        What waits behind it stays until a retry. Of an event that the broker cannot take, only the way over the broker is
        dropped: a consumer that counts versions still reads it in the log.
        """
        self._bind()
        if aside.by.startswith(wish_subject("")):
            writes: Sequence[Bound] = [released(aside.by.removeprefix(wish_subject("")), aside.position)]
        else:
            writes = await self._passed(aside)
        return bool(writes) and isinstance(await self._database.commit(unit(writes)), Committed)

    def _bind(self) -> None:
        # Not at the start: a database of before there was delivery can be asked about its projections.
        self._database.bind((*SET_ASIDE_STATEMENTS, *CONSUMED_STATEMENTS, *QUARANTINE_STATEMENTS))

    async def _passed(self, aside: Aside) -> Sequence[Bound]:
        row = await registered(self._database, aside.by)
        messages = await (await self._log_of(row.log)).after(aside.position - 1, 1) if row is not None else []
        if row is None or not messages:
            return ()
        known = await standing(self._database, aside.by, row, messages[0])
        return () if known.seen else taken(aside.by, messages[0], known, self._now())

    async def _log_of(self, log: str) -> ReadLog:
        """Return the log that a consumer follows: its position means nothing in any other."""
        await self._events.look()
        if log == self._events.identity.log:
            return self._events
        found = await self._elsewhere(log) if self._elsewhere is not None else None
        if found is None:
            raise Unavailable(what=f"the log {log}, which is in no database of this environment")
        return found


def _first(rows: Sequence[Quarantined]) -> list[Aside]:
    """Of each stream the first event; rows are in the order of positions."""
    found: dict[tuple[str, str, str], Aside] = {}
    for row in rows:
        key = (row.sink, row.tenant_id, row.stream)
        about = (wish_subject(row.sink), *key[1:], row.position, row.type, row.reason, row.quarantined_at)
        found.setdefault(key, Aside(*about))
    return list(found.values())


def _parked(letter: DeadLetter) -> Aside:
    about = (letter.tenant_id, letter.stream, letter.position, letter.type, letter.reason, letter.parked_at)
    return Aside(letter.consumer, *about, letter.attempts)
