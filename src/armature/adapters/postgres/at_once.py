"""A batch that goes out, is judged and is committed in one round trip, where all its units are one changing statement.

Its transaction begins and ends with the statement, so who loses the connection has no number of a transaction to ask for. The
events of the batch are asked instead (`uncertain`).
"""

import asyncio
from collections.abc import Sequence
from time import monotonic

import asyncpg

from armature.adapters.postgres.connection import LaneConnection
from armature.adapters.postgres.entry import Entry
from armature.adapters.postgres.express import Express
from armature.adapters.postgres.outbox import Letter
from armature.adapters.postgres.trouble import is_lost
from armature.adapters.postgres.uncertain import Committer, LostBeforeCommit, OutcomeUnknown
from armature.adapters.postgres.values import array_text
from armature.adapters.postgres.write_plan import ChangePlan
from armature.engine.crash import crashpoint
from armature.ports.database import Committed

__all__ = ["commit_at_once"]


async def commit_at_once(connection: LaneConnection, committer: Committer, entries: Sequence[Entry]) -> bool:
    """Commit them all and give each its verdict; False when nothing was done and they must go the long way.

    The connection's session speaks as the units' lane.
    """
    found, floor = _express(entries), committer.floor(connection)
    if found is None or not floor:
        return False
    plan, form = found
    letter = Letter([entry.unit for entry in entries])
    columns = zip(*[entry.writes[0] for entry in entries], strict=True)
    values = [write(column) for write, column in zip(form.writers, columns, strict=True)]
    tenants = array_text(set[str]().union(*[entry.tenants for entry in entries]))
    crashpoint("commit.begun")
    started = monotonic()
    try:
        async with asyncio.timeout(committer.seconds_max):
            row = await connection.fetchrow(form.sql, *values, len(entries), tenants, *letter.values)
    except asyncpg.DivisionByZeroError:
        return False
    except Exception as error:
        if not is_lost(error):
            raise
        lasts = await _asked(connection, committer, entries, floor)
        if not any(lasts):
            raise LostBeforeCommit from error
    else:
        if row is None:
            return False
        ids, _, seconds = row
        lasts = letter.lasts(ids)
        # What the statement itself did not take went to the wire and to the disk.
        plan.took(seconds, len(entries), monotonic() - started - seconds)
    crashpoint("commit.committed")
    for entry, last in zip(entries, lasts, strict=True):
        entry.outcome = Committed(last)
    return True


async def _asked(connection: LaneConnection, committer: Committer, entries: Sequence[Entry], floor: int) -> list[int | None]:
    """Return the ids of the units' last events as the log has them, all None where it has none."""
    lasts = [entry.unit.events[-1].event_id if entry.unit.events else None for entry in entries]
    try:
        ids = await committer.ids_of(connection, [event for event in lasts if event is not None], floor)
    except OutcomeUnknown:
        for entry in entries:
            entry.outcome = Committed(None)  # as far as anybody can tell
        raise
    return [ids.get(event) if event is not None else None for event in lasts]


def _express(entries: Sequence[Entry]) -> tuple[ChangePlan, Express] | None:
    """Return the one statement of all these units, where it has a form for a whole batch."""
    shape = entries[0].shape
    if len(shape.changes) != 1 or shape.guards or shape.changes[0].express is None:
        return None
    # Without an event there would be nobody to ask for the outcome.
    if any(entry.shape is not shape for entry in entries) or not any(entry.unit.events for entry in entries):
        return None
    return shape.changes[0], shape.changes[0].express
