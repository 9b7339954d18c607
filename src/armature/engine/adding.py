"""Many changes that only add to one row, as one: what totals over a log come to.

A total of a tenant is changed by each of its events. Planned a hundred times for one commit it costs the database a hundred
statements and a hundred versions of one row; the sum is the same. Between two that are put together no other statement
on their table may stand, so that nothing can tell the difference.
"""

from collections.abc import Sequence
from typing import Any

from armature.kernel.statement import Change, Statement
from armature.ports.database import Bound

__all__ = ["added_up"]


class _Run:
    """A statement's rows since another one last touched its table: by the values that do not add up, the place in the result."""

    __slots__ = ("adds", "places", "statement")

    def __init__(self, statement: Change) -> None:
        self.statement = statement
        self.adds = [at for at, name in enumerate(statement.params) if name in statement.adds]
        self.places: dict[tuple[Any, ...], int] = {}


def added_up(writes: Sequence[Bound]) -> Sequence[Bound]:
    """Return the changes with those of one row put together, where their statement says what adds up."""
    if not any(_adds(statement) for statement, _ in writes):
        return writes
    made: list[Bound] = []
    runs: dict[str, _Run] = {}
    for statement, values in writes:
        assert isinstance(statement, Change)
        if not statement.adds:
            runs.pop(statement.table, None)
            made.append((statement, values))
            continue
        run = runs.get(statement.table)
        if run is None or run.statement is not statement:
            run = runs[statement.table] = _Run(statement)
        fixed = list(values)
        for at in run.adds:
            fixed[at] = None
        try:
            place = run.places.setdefault(tuple(fixed), len(made))
        except TypeError:  # a list or the like is among the values: nobody looks whether two of them are equal
            place = len(made)
        if place == len(made):
            made.append((statement, values))
        else:
            total = list(made[place][1])
            for at in run.adds:
                total[at] += values[at]
            made[place] = (statement, tuple(total))
    return made


def _adds(statement: Statement) -> bool:
    return isinstance(statement, Change) and bool(statement.adds)
