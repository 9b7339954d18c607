"""Carrying the log to a broker, one bounded step at a time, by whoever holds the sink's lease.

Killed anywhere it publishes again what it had not written down, under the same event ids. Every move of the cursor names the
term and the position it moves from and carries the lease's guard, so of two relays one moves and the other looks again.
"""

import logging
from collections.abc import Sequence
from typing import Any

from armature.engine.checkpoints import foreign
from armature.engine.crash import crashpoint
from armature.engine.delivery_log import DeliveryParts
from armature.engine.event_log import Identity
from armature.engine.generations import unit
from armature.engine.lease import Lease
from armature.engine.quarantine import HELD, QUARANTINE_STATEMENTS, QUARANTINED, Quarantined, released, set_aside
from armature.engine.relay_core import Cursor, Moved, RelayCore
from armature.engine.requests import Request
from armature.kernel.statement import Statement, change, select
from armature.ports.bus import Message, Unpublishable
from armature.ports.database import Bound, Committed

__all__ = ["BROKER", "CURSOR", "RELAY_STATEMENTS", "Relay", "wish_subject"]

log = logging.getLogger("armature.relay")

BROKER = "broker"
"""The name of the sink that is the installation's broker."""

CURSOR = select(
    Cursor,
    """
select sink, log, epoch, position, broker, broker_last, term from armature_cursors where sink = :sink
""",
)

# What every consumer of this log is done with; -1 when there is none. One of another log has a position of that one.
FLOOR = select(int, "select coalesce(min(position), -1) from armature_consumers where log = :log")

BEGIN = change(
    """
insert into armature_cursors (sink, log, epoch, position, broker, broker_last, term)
values (:sink, :log, :epoch, :position, :broker, :broker_last, :term)
    on conflict (sink) do nothing
""",
)

MOVE = change(
    """
update armature_cursors
   set position = :position, broker = :broker, broker_last = :broker_last, term = :term
 where sink = :sink and term = :old_term and position = :old
""",
    row=("sink",),
)

_RESTORED = "the log was restored or promoted to epoch %d and ends at position %d, the broker ends at %d of epoch %d: "
_AGAIN = "what follows position %d is published again"

RELAY_STATEMENTS: tuple[Statement, ...] = (CURSOR, FLOOR, BEGIN, MOVE)


def wish_subject(sink: str) -> str:
    """Return the subject under which the command line asks for a sink's quarantine to be tried again."""
    return f"relay:{sink}"


class Relay:
    """One sink of one process. Only its role calls `step`, and never twice at once.

    A broker that does not outlive the process (`lasting=False`) begins empty each time, which is no loss to tell anybody of.
    """

    def __init__(self, parts: DeliveryParts, lease: Lease, sink: str = BROKER, *, lasting: bool = True) -> None:
        parts.database.bind((*RELAY_STATEMENTS, *QUARANTINE_STATEMENTS))
        self.sink = sink
        self.lease = lease
        self.halted = ""
        """Why nothing moves any more, and what helps; empty while it does."""
        self.regressions = 0
        """How often the broker was found to have lost messages."""
        self.published = 0
        """Messages the broker acknowledged, repeats included."""
        self.quarantined = 0
        """Events set aside since the start."""
        self._database = parts.database
        self._events = parts.events
        self._bus = parts.bus
        self._policy = parts.policy
        self._requests = parts.requests
        self._now = parts.now
        self._clock = parts.clock
        self._lasting = lasting
        self._core: RelayCore | None = None
        self._check_at = 0.0
        self._free_at = 0.0

    @property
    def position(self) -> int | None:
        """Up to where the log is at the broker; None while another process relays."""
        return self._core.cursor.position if self._core is not None else None

    async def step(self) -> bool:
        """Publish the next window; False when there is nothing to do, or when it is another process's turn."""
        term = await self.lease.hold()
        if term is None:
            self._core, self.halted = None, ""
            return False
        if self.halted:
            return False
        try:
            return await self._step(term)
        except Exception:
            # Whatever was lost on the way: look at cursor and broker again before going on.
            self._core = None
            raise

    async def close(self) -> None:
        """Let another process go on at once."""
        await self.lease.release()

    async def _step(self, term: int) -> bool:
        if (self._core is None or self._core.cursor.term != term) and not await self._load(term):
            return False
        core = self._core
        assert core is not None
        now = self._clock()
        if now >= self._check_at:
            await self._look(core)
        if self.halted or now < self._free_at:
            return False
        events = await self._events.after(core.cursor.position, self._policy.window_events)
        if not events:
            return False
        self._free_at = max(self._free_at, now - 1.0) + len(events) / self._policy.drain_events_per_second
        return await self._publish(core, events)

    async def _publish(self, core: RelayCore, events: Sequence[Message]) -> bool:
        offer, refused = core.offer(events), ""
        try:
            acknowledged = await self._bus.publish(offer.publish) if offer.publish else 0
        except Unpublishable as poison:
            acknowledged, refused = poison.index, poison.reason
        self.published += acknowledged
        crashpoint("relay.acknowledged")
        before = core.cursor.position
        moved = core.outcome(offer, acknowledged, refused)
        if not await self._commit(core, moved, before):
            self._core = None
            return True
        crashpoint("relay.moved")
        for event, why in moved.quarantined:
            self.quarantined += 1
            log.error("event %d (%s) of stream %s is set aside: %s", event.position, event.type, event.stream, why)
        # Not all of it was acknowledged: the broker is in trouble, so look whether it is still the same and let it breathe.
        if acknowledged < len(offer.publish) and not refused:
            self._check_at = 0.0
            return acknowledged > 0
        return True

    async def _commit(self, core: RelayCore, moved: Moved, before: int, old_term: int | None = None) -> bool:
        cursor = core.cursor
        values: dict[str, Any] = {name: getattr(cursor, name) for name in cursor.__struct_fields__}
        values |= {"position": moved.position, "old": before, "old_term": cursor.term if old_term is None else old_term}
        aside = [set_aside(self.sink, event, why, self._now()) for event, why in moved.quarantined]
        if moved.position == before and not aside and old_term is None:
            return True
        verdict = await self._database.commit(unit([_bound(MOVE, values), *aside], [self.lease.guard()]))
        if not isinstance(verdict, Committed):
            return False
        core.committed(moved)
        return True

    async def _load(self, term: int) -> bool:
        """Read where the sink stands, put this term's name on it, and hold it against log and broker."""
        head = await self._events.look()
        rows, held = await self._database.read(((CURSOR, (self.sink,)), (HELD, (self.sink,))))
        if not rows:
            await self._begin(term, head)
            return False
        cursor: Cursor = rows[0]
        if self._is_foreign(cursor, head) or cursor.term > term:
            return False
        core = RelayCore(_of_term(cursor, term), [(one.tenant_id, one.stream) for one in held])
        if not await self._commit(core, Moved(cursor.position, ()), cursor.position, cursor.term):
            return False
        self._core = core
        self._check_at = 0.0
        return True

    async def _begin(self, term: int, head: int) -> None:
        """Write down where the sink begins. What is at the broker already is no business of a log that has never met it.

        A broker that knows another epoch differs from this log on purpose: no cursor outlives a restore, and another restore may
        have been served beside the same broker. What is published then is what somebody still waits for, as after a loss.
        """
        identity, tail = self._events.identity, await self._bus.tail()
        restored = self._lasting and 1 < identity.epoch != tail.epoch > 0
        position = min(head, await self._floor() or 0) if restored else 0
        first = Cursor(self.sink, identity.log, identity.epoch, position, tail.broker, tail.last, term)
        values = {name: getattr(first, name) for name in first.__struct_fields__}
        verdict = await self._database.commit(unit([_bound(BEGIN, values)], [self.lease.guard()]))
        if restored and isinstance(verdict, Committed):
            log.warning(_RESTORED + _AGAIN, identity.epoch, head, tail.position, tail.epoch, position)

    async def _floor(self) -> int | None:
        """Return what every registered consumer is done with, None when there is no consumer."""
        ((floor,),) = await self._database.read(((FLOOR, (self._events.identity.log,)),))
        return None if floor < 0 else int(floor)

    def _is_foreign(self, cursor: Cursor, head: int) -> bool:
        """Halt when the log is not the one that the cursor speaks of, or ends before it."""
        of = Identity(cursor.log, cursor.epoch)
        self.halted = foreign(f"relay {self.sink}", of, cursor.position, self._events.identity, head)
        return bool(self.halted)

    async def _look(self, core: RelayCore) -> None:
        """Hold log and broker against the cursor, and take wishes."""
        if self._is_foreign(core.cursor, await self._events.look()):
            return
        tail = await self._bus.tail()
        before = core.cursor.position
        again = core.compare(tail, await self._floor())
        if again is not None:
            if self._lasting:
                self.regressions += 1
                log.error("the broker has lost messages: " + _AGAIN, again)
            if not await self._commit(core, Moved(again, ()), before, core.cursor.term):
                self._core = None
                raise _Overtaken("the cursor was moved by another relay; it is read again")
        for wish in await self._requests.open(wish_subject(self.sink)):
            await self._retry(core, wish)
        self._check_at = self._clock() + self._policy.broker_check_seconds

    async def _retry(self, core: RelayCore, wish: Request) -> None:
        """Offer what is set aside once more, stream by stream in order; what is refused again stays."""
        tried, refused = 0, {}
        (rows,) = await self._database.read(((QUARANTINED, (0, 100_000)),))
        for row in rows:
            key = (row.tenant_id, row.stream)
            if row.sink != self.sink or wish.stream not in ("", row.stream) or key in refused:
                continue
            tried += 1
            reason = await self._again(row)
            if reason:
                refused[key] = f"{row.tenant_id} {row.stream} at position {row.position}: {reason}"
        (held,) = await self._database.read(((HELD, (self.sink,)),))
        core.held = {(one.tenant_id, one.stream) for one in held}
        detail = "\n".join([f"{tried} tried, {len(refused)} streams still held", *list(refused.values())[:20]])
        await self._requests.end(wish.id, "refused" if refused else "done", detail)

    async def _again(self, row: Quarantined) -> str:
        (event,) = await self._events.after(row.position - 1, 1)
        try:
            if await self._bus.publish([event]) < 1:
                return "the broker did not acknowledge it"
        except Unpublishable as poison:
            return poison.reason
        verdict = await self._database.commit(unit([released(self.sink, row.position)], [self.lease.guard()]))
        return "" if isinstance(verdict, Committed) else "another relay has taken over"


class _Overtaken(Exception):
    """Another relay was faster."""


def _bound(statement: Statement, values: dict[str, Any]) -> Bound:
    return statement, tuple(values[name] for name in statement.params)


def _of_term(cursor: Cursor, term: int) -> Cursor:
    return Cursor(cursor.sink, cursor.log, cursor.epoch, cursor.position, cursor.broker, cursor.broker_last, term)
