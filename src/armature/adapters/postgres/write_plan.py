"""Changes and guards as a batch needs them: merged over many units, checked beforehand, or run one by one.

These texts come from each statement, and PostgreSQL says at bind which of them it can prepare:

- *lock*: `select u.n, t.ctid … where <the statement's own condition> for update skip locked`, over arrays. Whoever finds
  no row there has lost, before anything is written (laws 4.2).
- *merged*: the statement over arrays; it tells which callers' rows it touched.
- *in_turn*: the statement with keys and events, for a turn that holds its row (`turn_form`).
- *counted*: the statement itself, as one row with the number of rows it touched and the number of the transaction.
- *many*: an insert over arrays that answers as the last; for one unit that adds many rows, as folds do.

A statement of another shape (any number of rows, a subselect, `on conflict`, lists) has only the last, and its unit gets a
transaction of its own.
"""

import re
from collections.abc import Callable, Sequence
from operator import itemgetter
from time import monotonic
from typing import Any, TypeVar

import asyncpg
from msgspec import Struct

from armature.adapters.postgres.arrays import ArrayText, array_writer
from armature.adapters.postgres.express import Express, express_form, express_insert
from armature.adapters.postgres.plan import Plan, row_name
from armature.adapters.postgres.turn_form import TurnForm, turn_sql
from armature.adapters.postgres.turn_sight import Sights, names_by
from armature.kernel.statement import Change, Statement
from armature.ports.database import Row

__all__ = ["SLOW_SECONDS", "ChangePlan", "GuardPlan", "Lock", "LockUse", "Many", "WritePlans"]

SLOW_SECONDS = 60.0
"""How long the units of a statement that was slow twice keep to themselves."""

_SLOW_TRIPS = 10
_SHARING = 4
"""Units that may share a run for the price of one."""

P = TypeVar("P")

Pick = Callable[[Sequence[Any]], tuple[Any, ...]]
"""Takes some of a statement's values, in a fixed order."""

Prepare = Callable[[str], object]
"""Prepares a text on the server; raises the driver's error."""

# As in the kernel: `:name`, but no cast and nothing inside a text or a comment; here also `in (:names)`, which takes a list.
_TOKEN = re.compile(r"'(?:[^']|'')*'|--[^\n]*|::|\b(in\s*\(\s*):([a-z_]\w*)(\s*\))|:([a-z_]\w*)", re.IGNORECASE)
_SUBSELECT = re.compile(r"\b(?:select|with|returning)\b", re.IGNORECASE)
_UPDATE = re.compile(r"(update\s+([a-z_]\w*)\s+set\s.*?)\swhere\s(.*)", re.IGNORECASE | re.DOTALL)
_DELETE = re.compile(r"(delete\s+from\s+([a-z_]\w*))\s+where\s(.*)", re.IGNORECASE | re.DOTALL)
_INSERT = re.compile(r"insert\s+into\s+([a-z_]\w*)\s*\(([^()]*)\)\s*values\s*\((.*)\)", re.IGNORECASE | re.DOTALL)
_GUARD = re.compile(r"select\s.*?\sfrom\s+([a-z_]\w*)\s+where\s(.*)", re.IGNORECASE | re.DOTALL)
_SUMMED = re.compile(r"\b(?:group\s+by|distinct|(?:count|sum|avg|min|max|bool_and|bool_or|\w+_agg)\s*\()", re.IGNORECASE)
_BEYOND_WHERE = re.compile(
    r"\b(?:from|join|group|order|limit|offset|having|union|for|distinct|count|sum|min|max|coalesce)\b", re.IGNORECASE
)


class Lock(Struct, frozen=True):
    """One question about rows: are they there, as expected, and locked by nobody else? Statements share it by its text."""

    sql: str
    table: str


class LockUse(Struct, frozen=True, eq=False):
    """How a statement asks it: with which of its values."""

    lock: Lock
    pick: Pick


class Many(Struct, frozen=True, eq=False):
    """An insert of many rows, and what writes the columns of their values."""

    sql: str
    writers: tuple[ArrayText, ...]

    def values(self, rows: Sequence[Sequence[Any]]) -> list[str]:
        """Return the rows' values as the statement takes them."""
        return [write(column) for write, column in zip(self.writers, zip(*rows, strict=True), strict=True)]


class GuardPlan:
    """A select that must still find a row at commit."""

    __slots__ = ("encode", "lock", "sql", "statement", "tenant_at")

    def __init__(self, plan: Plan, sql: str) -> None:
        self.statement = plan.statement
        self.sql = sql
        self.encode = plan.encode
        self.tenant_at = plan.tenant_at
        self.lock: LockUse | None = None


class ChangePlan:
    """A statement that writes. `merged` is empty for one whose unit must stand alone."""

    __slots__ = (
        "_mean",
        "_slow_at",
        "_slow_seconds",
        "cas_at",
        "counted",
        "encode",
        "express",
        "in_turn",
        "key",
        "lock",
        "many",
        "merged",
        "name",
        "row_at",
        "rows",
        "select_row",
        "slow_until",
        "statement",
        "table",
        "tenant_at",
    )  # fmt: skip

    def __init__(self, plan: Plan, statement: Change, slow_seconds: float) -> None:
        self.statement = statement
        self.counted = _counted(plan.sql.rstrip().rstrip(";"))
        self.encode = plan.encode
        self.table = statement.table
        self.rows = statement.rows
        self.cas_at = statement.cas_at
        self.merged = ""
        self.lock: LockUse | None = None
        self.many: Many | None = None
        self.express: Express | None = None
        """All of a batch that does nothing else, in one statement."""
        self.in_turn: TurnForm | None = None
        self.key: Pick | None = None
        """An insert: the values by which the rows it returned are told from those it left out."""
        self.select_row = ""
        """Locks the row of that name and waits for it: how a turn begins."""
        self.row_at = plan.row if statement.row else ()
        self.name = row_name(statement.table, self.row_at, plan.types)
        """The name of the row that values as the driver takes them mean, to be looked up by."""
        self.tenant_at = plan.tenant_at
        self._slow_seconds = slow_seconds
        self._slow_at = float("-inf")
        self._mean = 0.0
        self.slow_until = 0.0

    def took(self, seconds: float, units: int, trip: float) -> None:
        """Note how long a run for so many units took; slow is who is so twice within a minute and on average.

        `trip` is how long the opening of the same transaction took. Where all is slow, or many share a run, the statement is
        not to blame: to take batches apart would make a server that is busy busier still.
        """
        seconds *= _SHARING / max(_SHARING, units)
        self._mean += (seconds - self._mean) / 4
        if seconds > max(self._slow_seconds, trip * _SLOW_TRIPS):
            now = monotonic()
            if now - self._slow_at < SLOW_SECONDS and self._mean > self._slow_seconds:
                self.slow_until = now + SLOW_SECONDS
            self._slow_at = now

    def encode_row(self, row: Sequence[Any]) -> list[Any]:
        """Return the values of a row's name as the driver takes them."""
        values: list[Any] = [None] * len(self.statement.params)
        for at, value in zip(self.row_at, row, strict=True):
            values[at] = value
        encoded = self.encode(values)
        return [encoded[at] for at in self.row_at]

    def row(self, values: Sequence[Any]) -> Row | None:
        """Return the name of the row a caller's values mean."""
        return (self.table, tuple([values[at] for at in self.row_at])) if self.row_at else None


class WritePlans:
    """The compiled changes and guards by the constants that declare them, and how a table's rows are locked."""

    def __init__(self, slow_seconds: float) -> None:
        self._slow_seconds = slow_seconds
        self._changes: dict[Statement, ChangePlan] = {}
        self._guards: dict[Statement, GuardPlan] = {}
        self._sights = Sights()
        self.row_locks: dict[str, ChangePlan] = {}
        """By table: a change that knows how to take a row of it by name."""

    def add(self, plan: Plan, prepare: Prepare) -> None:
        """Compile what was bound."""
        if isinstance(plan.statement, Change):
            change = self._changes[plan.statement] = _change(plan, plan.statement, prepare, self._slow_seconds)
            if change.select_row:
                self.row_locks.setdefault(change.table, change)
            if change.in_turn is not None:
                self._sights.add_change(change.in_turn, prepare)
        else:
            self._guards[plan.statement] = _guard(plan, prepare)
            self._sights.add_select(plan, prepare)

    def change(self, statement: Statement) -> ChangePlan:
        """Return the plan of a change."""
        return _bound(self._changes, statement)

    def guard(self, statement: Statement) -> GuardPlan:
        """Return the plan of a guard."""
        return _bound(self._guards, statement)


def _bound(known: dict[Statement, P], statement: Statement) -> P:
    plan = known.get(statement)
    if plan is None:
        raise LookupError(f"{statement.home}: this statement was never bound; name it to `bind` at start")
    return plan


def _guard(plan: Plan, prepare: Prepare) -> GuardPlan:
    """Find out how a select is looked at when it guards; one that cannot lock its rows is only run again, as sums are."""
    text = plan.statement.postgres.rstrip().rstrip(";")
    sharing = f"{plan.sql.rstrip().rstrip(';')}\nfor share skip locked"
    plain = _SUBSELECT.search(text[6:]) or not _SUMMED.search(text)
    guard = GuardPlan(plan, sharing if plain and _prepares(prepare, sharing) else plan.sql)
    shape = _GUARD.fullmatch(text)
    if shape and not _SUBSELECT.search(text[6:]) and not _BEYOND_WHERE.search(shape[2]) and "(" not in text[: shape.start(1)]:
        guard.lock = _lock(plan, shape[1], shape[2], "share", prepare)
    return guard


def _change(plan: Plan, statement: Change, prepare: Prepare, slow_seconds: float) -> ChangePlan:
    """Find out in which ways a change can run."""
    text = statement.postgres.rstrip().rstrip(";")
    change = ChangePlan(plan, statement, slow_seconds)
    if _SUBSELECT.search(text) or not statement.params:
        return change
    for shape, locking, joined in ((_UPDATE, "no key update", "from"), (_DELETE, "update", "using")):
        found = shape.fullmatch(text)
        if found:
            change.select_row = _row_lock(change, found[3], plan.types, prepare)
            if statement.rows is not None and not _takes_lists(plan):
                head, table, where = found.groups()
                condition = _in_arrays(plan, where)
                places = f"(select armature_u.*, place from {_found(_source(plan), table, condition, locking)}) armature_u"
                merged = (
                    f"{_in_arrays(plan, head)} {joined} {places} where {table}.ctid = armature_u.place\nreturning armature_u.n"
                )
                lock = _lock(plan, table, where, locking, prepare)
                if lock is not None and _prepares(prepare, merged):
                    change.lock, change.merged = lock, merged
                    change.express = _express(plan, (head, joined, table, where), locking, prepare)
                    change.in_turn = _in_turn(change, plan, (head, table, where), prepare)
            return change
    inserted = _INSERT.fullmatch(text)
    if inserted and statement.rows == 1 and not _takes_lists(plan):
        change.many = _many(plan, inserted, prepare)
        _merge_insert(plan, change, inserted, prepare)
    return change


def _express(plan: Plan, parts: tuple[str, str, str, str], how: str, prepare: Prepare) -> Express | None:
    head, joined, table, where = parts
    if plan.rows != 1:
        return None
    condition = _in_arrays(plan, where)
    written = f"{_in_arrays(plan, head)} {joined} armature_locked armature_u where "
    form = express_form(plan.types, table, how, condition, lambda further: written + further)
    return form if form is not None and _prepares(prepare, form.sql) else None


def _in_turn(change: ChangePlan, plan: Plan, parts: tuple[str, str, str], prepare: Prepare) -> TurnForm | None:
    places = {name: f"${n}::{held}" for n, (name, held) in enumerate(zip(plan.statement.params, plan.types, strict=True), 1)}
    head, table, where = parts
    showing = (_placed(head, places), _placed(where, places), change.rows or 0, len(plan.types) + 1)
    named = names_by(change.statement, change.row_at, head, where) if head.lower().startswith("update") else ()
    sql = turn_sql(table, showing)
    return TurnForm(sql, table, named, showing) if _prepares(prepare, sql) else None


def _counted(sql: str) -> str:
    return f"with w as ({sql}\nreturning 1) select count(*), pg_current_xact_id()::text from w"


def _many(plan: Plan, found: re.Match[str], prepare: Prepare) -> Many | None:
    table, listed, values = found.groups()
    writers = tuple([writer for writer in map(array_writer, plan.types) if writer is not None])
    if len(writers) < len(plan.types):
        return None
    source = _source(plan, "text::")
    sql = _counted(f"insert into {table} ({listed}) select {_in_arrays(plan, values)} from {source} order by armature_u.n")
    return Many(sql, writers) if _prepares(prepare, sql) else None


def _merge_insert(plan: Plan, change: ChangePlan, found: re.Match[str], prepare: Prepare) -> None:
    table, listed, values = found.groups()
    columns = [one.strip().lower() for one in listed.split(",")]
    given = [one.strip() for one in _split(values)]
    named = {f":{name}": at for at, name in enumerate(plan.statement.params)}
    direct = {column: named[value] for column, value in zip(columns, given, strict=False) if value in named}
    told = [column for column, at in direct.items() if at in change.row_at]
    if len(given) != len(columns) or not told or {direct[column] for column in told} != set(change.row_at):
        return
    merged = (
        f"insert into {table} ({listed}) select {_in_arrays(plan, values)} from {_source(plan)} "
        f"order by armature_u.n on conflict do nothing returning {', '.join(told)}"
    )
    if _prepares(prepare, merged):
        change.merged, change.key = merged, _picker(tuple(direct[column] for column in told))
        form = express_insert(plan.types, f"{table} ({listed})", _in_arrays(plan, values))
        change.express = form if form is not None and _prepares(prepare, form.sql) else None


def _row_lock(change: ChangePlan, where: str, types: Sequence[str], prepare: Prepare) -> str:
    """Return the select that takes the row itself, whatever its version: the condition's columns that name the row."""
    wanted = []
    for number, at in enumerate(change.row_at, 1):
        name = change.statement.params[at]
        found = re.search(rf"(?<![\w.])([a-z_]\w*)\s*=\s*:{name}(?!\w)", where, re.IGNORECASE)
        if not found:
            return ""
        wanted.append(f"{found[1]} = ${number}::{types[at]}")
    sql = f"select 1 from {change.table} where {' and '.join(wanted)} for no key update"
    return sql if wanted and _prepares(prepare, sql) else ""


def _lock(plan: Plan, table: str, where: str, how: str, prepare: Prepare) -> LockUse | None:
    params = plan.statement.params
    names = list(dict.fromkeys(listed or single for _, listed, _, single in _TOKEN.findall(where) if listed or single))
    order = tuple(params.index(name) for name in names)
    if not names or any(plan.types[at].endswith("[]") for at in order):
        return None
    columns = ", ".join(f"p{n}" for n in range(len(order)))
    arrays = ", ".join(f"${n}::{plan.types[at]}[]" for n, at in enumerate(order, 1))
    condition = _placed(where, {name: f"armature_u.p{n}" for n, name in enumerate(names)})
    source = f"unnest({arrays}) with ordinality as armature_u ({columns}, n)"
    sql = f"select armature_u.n, place from {_found(source, table, condition, f'{how} of {table} skip locked')}"
    return LockUse(Lock(sql, table), _picker(order)) if _prepares(prepare, sql) else None


def _found(source: str, table: str, condition: str, how: str) -> str:
    """Return the rows of a source with the place of the row that each of them names.

    They are looked for one by one, by an index: how many there will be is unknown to the planner, which would rather read a whole
    table of some thousand rows, and all that vacuum has left in it.
    """
    return f"{source} cross join lateral (select {table}.ctid as place from {table} where {condition} for {how}) armature_row"


def _source(plan: Plan, sent_as: str = "") -> str:
    columns = ", ".join(f"p{n}" for n in range(len(plan.types)))
    arrays = ", ".join(f"${n}::{sent_as}{one}[]" for n, one in enumerate(plan.types, 1))
    return f"unnest({arrays}) with ordinality as armature_u ({columns}, n)"


def _in_arrays(plan: Plan, text: str) -> str:
    return _placed(text, {name: f"armature_u.p{n}" for n, name in enumerate(plan.statement.params)})


def _takes_lists(plan: Plan) -> bool:
    return any(one.endswith("[]") for one in plan.types)


def _placed(text: str, places: dict[str, str]) -> str:
    def place(found: re.Match[str]) -> str:
        _, listed, _, single = found.groups()
        if listed:
            return f"= any({places[listed]})"
        return places[single] if single else found.group()

    return _TOKEN.sub(place, text)


def _split(text: str) -> list[str]:
    """Split at the commas that stand in no parentheses and no quotes."""
    parts, depth, quoted = [""], 0, False
    for letter in text:
        if letter == "'":
            quoted = not quoted
        elif not quoted:
            depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0 and not quoted:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def _picker(order: tuple[int, ...]) -> Pick:
    if len(order) == 1:
        (only,) = order
        return lambda values: (values[only],)
    return itemgetter(*order)


def _prepares(prepare: Prepare, sql: str) -> bool:
    try:
        prepare(sql)
    except asyncpg.PostgresError:
        return False
    return True
