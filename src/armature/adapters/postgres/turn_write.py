"""What a turn writes: in one statement where its unit has that form, else as any unit that stands alone."""

from collections.abc import Set
from time import monotonic

from armature.adapters.postgres.batch import write_alone
from armature.adapters.postgres.entry import Entry
from armature.adapters.postgres.outbox import Letter, known_keys
from armature.adapters.postgres.turn_form import Sight, TurnForm
from armature.adapters.postgres.turn_session import TurnSession
from armature.adapters.postgres.uncertain import Written
from armature.adapters.postgres.write_plan import ChangePlan
from armature.ports.database import Bound, Committed, Conflict, Row, Twin

__all__ = ["write_turn"]


async def write_turn(session: TurnSession, entry: Entry, rows: Set[Row]) -> tuple[Written, bool]:
    """Write a unit in a transaction that holds these rows. Say, too, whether the transaction is fit for the next one: a unit that
    was refused may have written something nevertheless."""
    locked = not entry.guards and all(
        plan.lock is None or plan.row(values) in rows
        for plan, (_, values) in zip(entry.shape.changes, entry.unit.writes, strict=True)
    )
    (*others, plan) = entry.shape.changes or (None,)
    if locked and not others and plan is not None and plan.in_turn is not None:
        written = await _write_one(session, entry, plan, plan.in_turn)
    else:
        session.seen = None
        written = await write_alone(session.connection, entry, locked=locked)
    # A twin is found before anything is written; and what has written knows the number of its transaction.
    return written, isinstance(entry.outcome, Committed | Twin) or written.transaction is None


async def _write_one(session: TurnSession, entry: Entry, plan: ChangePlan, form: TurnForm) -> Written:
    letter, connection = Letter((entry.unit,)), session.connection
    entry.failing = plan.statement
    changed = plan.row(entry.unit.writes[0][1])
    asked, sight = _asked(session, form, changed)
    session.seen = None
    started = monotonic()
    row = await connection.fetchrow(sight.sql if sight else form.sql, *entry.writes[0], *letter.values)
    plan.took(monotonic() - started, 1, 0.0)
    lost = Conflict(plan.statement, changed)
    if row is None:
        key = entry.unit.key
        # A key that exists answers Twin, whatever else the unit holds.
        entry.outcome = Twin() if key is not None and await known_keys(connection, (key,)) else lost
        return Written()
    count, (ids, twins, transaction, stays) = row[0], row[-4:]
    told = letter.told(ids, twins, transaction)
    if told.twins:
        entry.outcome = Twin()
    elif count != plan.rows:  # a trigger or a policy kept the row as it was
        entry.outcome = lost
    else:
        entry.outcome, entry.failing = Committed(told.lasts[0]), None
        if asked is not None and sight is not None and stays:
            session.seen = asked, sight.build, row
    return Written(told.transaction, told.proof)


def _asked(session: TurnSession, form: TurnForm, changed: Row | None) -> tuple[Bound, Sight] | tuple[None, None]:
    """Return what this turn asked about the row that it changes: the next one will ask the same."""
    for statement, values in session.asked:
        sight = form.sights.get(statement)
        if sight is not None and changed == (form.table, tuple([values[at] for at in sight.at])):
            return (statement, values), sight
    return None, None
