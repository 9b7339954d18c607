"""A batch that goes out, is judged and is committed in one round trip, where all its units are one changing statement.

Its transaction begins and ends with the statement, so who loses the connection has no number of a transaction to ask for. The
events of the batch are asked instead (`uncertain`).
"""

from collections.abc import Collection, Sequence
from time import monotonic

import asyncpg

from armature.adapters.postgres.connection import LaneConnection
from armature.adapters.postgres.entry import Entry
from armature.adapters.postgres.express import Express
from armature.adapters.postgres.outbox import KEYS, Letter
from armature.adapters.postgres.trouble import is_lost
from armature.adapters.postgres.uncertain import Committer, LostBeforeCommit, OutcomeUnknown
from armature.adapters.postgres.values import array_text
from armature.adapters.postgres.write_plan import ChangePlan
from armature.engine.crash import crashpoint
from armature.ports.database import Committed

__all__ = ["commit_at_once"]


async def commit_at_once(connection: LaneConnection, committer: Committer, entries: Sequence[Entry]) -> bool:
    """Commit who has not lost, and give each its verdict; False when nothing was done and they must go the long way.

    Without a verdict stays who must be judged alone. The connection's session speaks as the units' lane.
    """
    found, floor = _express(entries), committer.floor(connection)
    if found is None or not floor:
        return False
    plan, form = found
    letter = Letter([entry.unit for entry in entries])
    columns = list(zip(*[entry.writes[0] for entry in entries], strict=True))
    values = [write(column) for write, column in zip(form.writers, columns, strict=True)]
    tenants = {*letter.tenants, *(() if plan.tenant_at is None else columns[plan.tenant_at])}
    crashpoint("commit.begun")
    lost: Collection[int] = ()
    started = monotonic()
    try:
        # The connection itself waits no longer than `committer.seconds_max` (`connection.connect`).
        row = await connection.fetchrow(form.sql, *values, len(entries), array_text(tenants), *letter.fresh)
    except asyncpg.DivisionByZeroError:
        return False
    except asyncpg.UniqueViolationError as taken:
        if taken.constraint_name != KEYS:
            raise
        return False
    except Exception as error:
        if not is_lost(error):
            raise
        lasts = await _asked(connection, committer, entries, floor)
        if not any(lasts):
            raise LostBeforeCommit from error
        # Who is not in the log has lost, or is the twin of another: that was the part of the answer which is gone.
        lost = known = [n for n, last in enumerate(lasts, 1) if last is None]
    else:
        if row is None:
            return False
        ids, alive, known, seconds, _ = row
        lasts = letter.lasts(ids)
        # What the statement itself did not take went to the wire and to the disk.
        plan.took(seconds, len(entries), monotonic() - started - seconds)
        if known and len(entries) == 1:
            return False  # lost or a twin: the long way tells which
        if alive is not None:
            lost = {*range(1, len(entries) + 1)}.difference(alive)
    crashpoint("commit.committed")
    _judge(entries, lasts, lost, known)
    return True


def _judge(entries: Sequence[Entry], lasts: Sequence[int | None], lost: Collection[int], known: Collection[int]) -> None:
    """Give each its verdict. `lost` and `known` count from 1; a loser whose key is known may be a twin and gets none."""
    for n, (entry, last) in enumerate(zip(entries, lasts, strict=True), 1):
        if n not in lost:
            entry.outcome = Committed(last)
        elif n not in known:
            entry.outcome = entry.shape.locks[0].conflict(entry)


async def _asked(connection: LaneConnection, committer: Committer, entries: Sequence[Entry], floor: int) -> list[int | None]:
    """Return the ids of the units' last events as the log has them, all None where it has none."""
    lasts = [entry.unit.events[-1].event_id for entry in entries]
    try:
        ids = await committer.ids_of(connection, lasts, floor)
    except OutcomeUnknown:
        for entry in entries:
            entry.outcome = Committed(None)  # as far as anybody can tell
        raise
    return [ids.get(event) for event in lasts]


def _express(entries: Sequence[Entry]) -> tuple[ChangePlan, Express] | None:
    """Return the one statement of all these units, where it has a form for a whole batch."""
    shape = entries[0].shape
    if len(shape.changes) != 1 or shape.guards or shape.changes[0].express is None:
        return None
    # Of who tells nothing, nobody could be asked for the outcome.
    if any(entry.shape is not shape or not entry.unit.events for entry in entries):
        return None
    return shape.changes[0], shape.changes[0].express
