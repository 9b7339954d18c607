"""Many changes that only add to one row, as one: what totals over a log come to.

A total of a tenant is changed by each of its events. Planned a hundred times for one commit it costs the database a hundred
statements and a hundred versions of one row; the sum is the same. Between two that are put together no other statement
on their table may stand, so that nothing can tell the difference.
"""

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

from armature.kernel.statement import Change, Statement
from armature.ports.database import Bound

__all__ = ["added_up"]

_Values = tuple[Any, ...]


class _Run:
    """A statement's rows since another one last touched its table: of each row that is meant, all values given for it."""

    __slots__ = ("adds", "row", "rows", "statement")

    def __init__(self, statement: Change) -> None:
        self.statement = statement
        self.adds = [at for at, name in enumerate(statement.params) if name in statement.adds]
        fixed = [at for at, name in enumerate(statement.params) if name not in statement.adds]
        self.row: Callable[[_Values], Any] = itemgetter(*fixed) if fixed else lambda values: None
        """Takes out of values those that do not add up."""
        self.rows: dict[Any, list[_Values]] = {}


def added_up(writes: Sequence[Bound]) -> Sequence[Bound]:
    """Return the changes with those of one row put together, where their statement says what adds up."""
    if not any(_adds(statement) for statement in {statement for statement, _ in writes}):
        return writes
    made: list[tuple[Statement, list[_Values], Sequence[int]]] = []
    runs: dict[str, _Run] = {}
    for statement, values in writes:
        assert isinstance(statement, Change)
        if not statement.adds:
            runs.pop(statement.table, None)
            made.append((statement, [values], ()))
            continue
        run = runs.get(statement.table)
        if run is None or run.statement is not statement:
            run = runs[statement.table] = _Run(statement)
        try:
            row = run.row(values)
            if row in run.rows:
                run.rows[row].append(values)
                continue
            together = run.rows[row] = [values]
        except TypeError:  # a list or the like is among the values: nobody looks whether two of them are equal
            together = [values]
        made.append((statement, together, run.adds))
    return [(statement, _sum(together, adds)) for statement, together, adds in made]


def _adds(statement: Statement) -> bool:
    return isinstance(statement, Change) and bool(statement.adds)


def _sum(together: list[_Values], adds: Sequence[int]) -> _Values:
    if len(together) == 1:
        return together[0]
    columns = list(zip(*together, strict=True))
    total = list(together[0])
    for at in adds:
        total[at] = sum(columns[at][1:], columns[at][0])
    return tuple(total)
