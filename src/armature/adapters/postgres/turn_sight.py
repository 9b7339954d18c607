"""The row that a turn has changed, as the next turn's select would find it: that turn need not ask.

Turns of one chain are mostly of one operation and begin with the same question, for the row that they are about to change. Its
answer comes with the change itself. Only a select of plain columns of one table, by its primary key, can be answered so, and
only an update that names its one row by the same columns and leaves them as they are.
"""

import re
from collections.abc import Callable, Sequence

import asyncpg
from msgspec import Struct

from armature.adapters.postgres.plan import Plan
from armature.adapters.postgres.rows import Build
from armature.adapters.postgres.turn_form import Sight, TurnForm, turn_sql
from armature.kernel.statement import Change, Statement

__all__ = ["Sights", "names_by"]

_GLANCE = re.compile(r"select\s+([a-z_]\w*(?:\s*,\s*[a-z_]\w*)*)\s+from\s+([a-z_]\w*)\s+where\s+(.*)", re.IGNORECASE | re.DOTALL)
_NAMED = re.compile(r"([a-z_]\w*)\s*=\s*:([a-z_]\w*)", re.IGNORECASE)
_AND = re.compile(r"\s+and\s+", re.IGNORECASE)
_SET = re.compile(r"\sset\s", re.IGNORECASE)
_INVOLVED = re.compile(r"[('\"\[]|--|\b(?:or|not|case|between|is)\b", re.IGNORECASE)


class _Glance(Struct, frozen=True, eq=False):
    """A select that finds one row by its name, or none. `at` says which of its values is which column of the name."""

    statement: Statement
    table: str
    columns: tuple[str, ...]
    """In the order of the shape's fields."""
    at: dict[str, int]
    build: Build
    """Makes the shape of a row whose columns from the second one on are the fields."""


class Sights:
    """All selects and changes of one database that may belong together."""

    def __init__(self) -> None:
        self._glances: list[_Glance] = []
        self._forms: list[TurnForm] = []

    def add_change(self, form: TurnForm, prepare: Callable[[str], object]) -> None:
        """Let a change answer the selects that are known."""
        if form.named:
            self._forms.append(form)
            for glance in self._glances:
                _pair(form, glance, prepare)

    def add_select(self, plan: Plan, prepare: Callable[[str], object]) -> None:
        """Let the changes that are known answer a select."""
        glance = _glance(plan, prepare)
        if glance is not None:
            self._glances.append(glance)
            for form in self._forms:
                _pair(form, glance, prepare)


def names_by(change: Change, row_at: Sequence[int], head: str, where: str) -> tuple[str, ...]:
    """Return the columns that name an update's row, in the order of the name; none where another row could be meant."""
    told = _SET.split(head, maxsplit=1)[-1]
    if change.rows != 1 or not row_at or _INVOLVED.search(where) or re.search(r"\)\s*=", told):
        return ()
    named = [_NAMED.fullmatch(one.strip()) for one in _AND.split(where)]
    columns = {found[2]: found[1].lower() for found in named if found}
    name = tuple([columns.get(change.params[at], "") for at in row_at])
    moved = any(re.search(rf"(?<![\w.:]){column}\s*=", told, re.IGNORECASE) for column in name)
    return () if moved or not all(name) else name


def _glance(plan: Plan, prepare: Callable[[str], object]) -> _Glance | None:
    found = _GLANCE.fullmatch(plan.statement.postgres.rstrip().rstrip(";"))
    named = [_NAMED.fullmatch(one.strip()) for one in _AND.split(found[3])] if found else []
    at = {one[1].lower(): plan.statement.params.index(one[2]) for one in named if one}
    # PostgreSQL takes the text only where the primary key is among these columns.
    if not found or len(at) < len(named) or not _takes(prepare, f"select * from {found[2]} group by {', '.join(at)}"):
        return None
    columns = tuple([plan.columns[n][0] for n in plan.order])
    return _Glance(plan.statement, found[2], columns, at, plan.build_shared)


def _pair(form: TurnForm, glance: _Glance, prepare: Callable[[str], object]) -> None:
    if glance.table == form.table and set(glance.at) == set(form.named):
        sql = turn_sql(form.table, form.showing, glance.columns)
        if _takes(prepare, sql):
            form.sights[glance.statement] = Sight(sql, tuple([glance.at[column] for column in form.named]), glance.build)


def _takes(prepare: Callable[[str], object], sql: str) -> bool:
    try:
        prepare(sql)
    except asyncpg.PostgresError:
        return False
    return True
