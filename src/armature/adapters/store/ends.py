"""Verdicts and refusals as what is told of them over the socket, and back."""

from collections.abc import Callable
from typing import Any

from armature.adapters.store.owner_says import End, Told
from armature.kernel.refusals import Unavailable, UnknownOutcome
from armature.kernel.statement import Change, Statement
from armature.kernel.work import UnitTooLarge
from armature.ports.database import Committed, Conflict, Expired, Row, Twin, Unit, Verdict, Violated

__all__ = ["StoreRefused", "ended", "index_of", "raised", "told_of", "verdict_of"]

Where = tuple[End, int | None]


class StoreRefused(RuntimeError):
    """The owner met a bug in what it was given, as this process would have met it with the file in its own hands."""


def told_of(id: int, verdict: Verdict, where: Callable[[Conflict | Violated], Where]) -> Told:
    """Return what to tell of a verdict; `where` finds the statement in the unit."""
    match verdict:
        case Committed(last_id):
            return Told(id, End.COMMITTED, last_id)
        case Conflict():
            end, number = where(verdict)
            return Told(id, end, number)
        case Violated(constraint):
            return Told(id, End.VIOLATED, where(verdict)[1], constraint)
        case Twin():
            return Told(id, End.TWIN)
        case Expired():
            return Told(id, End.EXPIRED)


def index_of(lost: Conflict | Violated, unit: Unit | None) -> Where:
    """Return which write, or which guard, of a unit a verdict is about."""
    if unit is None or lost.statement is None:
        return End.CONFLICT, None
    row = lost.row if isinstance(lost, Conflict) else None
    for index, (statement, values) in enumerate(unit.writes):
        if statement is lost.statement and (row is None or row_of(statement, values) == row):
            return End.CONFLICT, index
    for index, (statement, _) in enumerate(unit.guards):
        if statement is lost.statement:
            return End.GUARD, index
    return End.CONFLICT, None


def row_of(statement: Statement, values: tuple[Any, ...]) -> Row | None:
    """Return the row that a change names, the tenant first where it is one of its names."""
    if not isinstance(statement, Change) or not (statement.of_tenant or statement.row_at):
        return None
    tenant = (values[statement.params.index("tenant_id")],) if statement.of_tenant else ()
    return statement.table, (*tenant, *(values[at] for at in statement.row_at))


def verdict_of(told: Told, unit: Unit) -> Verdict:
    """Return the verdict on one's own unit, with one's own statements and values in it."""
    match told.end:
        case End.COMMITTED:
            return Committed(told.number)
        case End.CONFLICT:
            statement, values = unit.writes[told.number or 0]
            return Conflict(statement, row_of(statement, tuple(values)))
        case End.GUARD:
            return Conflict(unit.guards[told.number or 0][0], None)
        case End.VIOLATED:
            return Violated(told.text, None if told.number is None else unit.writes[told.number][0])
        case End.TWIN:
            return Twin()
        case End.EXPIRED:
            return Expired()
    raise raised(told.end, told.text)


def ended(id: int, error: BaseException, *, script: bool = False) -> Told:
    """Return what to tell of something that raised."""
    if isinstance(error, UnknownOutcome):
        return Told(id, End.UNKNOWN)
    if isinstance(error, Unavailable):
        return Told(id, End.UNAVAILABLE, text=error.what)
    if isinstance(error, UnitTooLarge):
        return Told(id, End.TOO_LARGE, text=str(error))
    if script and isinstance(error, ValueError):
        return Told(id, End.SCRIPT, text=str(error))
    return Told(id, End.BUG, text=f"{type(error).__name__}: {error}")


def raised(end: End, text: str) -> Exception:
    """Return what to raise for an end that is no verdict."""
    match end:
        case End.UNAVAILABLE:
            return Unavailable(what=text)
        case End.UNKNOWN:
            return UnknownOutcome()
        case End.TOO_LARGE:
            return UnitTooLarge(text)
        case End.SCRIPT:
            return ValueError(text)
        case End.NEVER:
            return Unavailable(what="database: the connection to the store was lost before it had heard of this")
    return StoreRefused(text)
