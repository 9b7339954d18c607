"""A statement, compiled: positional SQL, how its values are stored, how its rows become shapes, and where it may run.

Everything is found out when a statement is bound, so that a call looks nothing up. What is bound and does not fit is
refused with the place of its declaration, because there it must be mended.
"""

import inspect
import re
from collections.abc import Callable, Sequence
from itertools import cycle
from operator import itemgetter
from typing import Any

import apsw
import msgspec
from msgspec import Struct

from armature.adapters.sqlite.cost import is_short, scans
from armature.adapters.sqlite.in_rows import ROWS, in_rows
from armature.adapters.sqlite.values import PLAIN, Loader, listed, loader, store, store_list
from armature.engine.shapes import StatementRefused, fitting, same_names
from armature.kernel.statement import Change, Select, Statement

__all__ = ["Plan", "compile_plan"]

# As in the kernel: `:name`, but no cast and nothing inside a text or a comment; here also `in (:names)`, which takes a list.
_TOKEN = re.compile(r"'(?:[^']|'')*'|--[^\n]*|::|\b(in\s*\(\s*):([a-z_]\w*)(\s*\))|:([a-z_]\w*)", re.IGNORECASE)

# These end the transaction, and with it the neighbours'; or leave half a statement behind.
_FORBIDDEN = re.compile(r"\bor\s+(?:rollback|fail)\b", re.IGNORECASE)

_Rows = list[tuple[Any, ...]]


class Plan:
    """One statement on this database. `short` says that it may run on the event loop (see `cost`)."""

    __slots__ = (
        "columns",
        "counted_from",
        "heavy_until",
        "lists",
        "make",
        "many",
        "reads",
        "row",
        "rows",
        "short",
        "slow_reads",
        "slow_seconds",
        "sql",
        "statement",
    )

    def __init__(self, statement: Statement, sql: str, lists: frozenset[int]) -> None:
        self.statement = statement
        self.sql = sql
        self.lists = lists
        self.columns: tuple[str, ...] = ()
        self.short = False
        self.heavy_until = 0.0
        self.counted_from = 0.0
        self.reads = 0
        self.slow_reads = 0
        self.slow_seconds = 0.0
        self.make: Callable[[_Rows], list[Any]] = list
        self.many: Plan | None = None
        """The same change of `ROWS` rows at once, their values behind each other; None where each has to be looked at."""
        self.rows = statement.rows if isinstance(statement, Change) else None
        names = statement.params
        tenant = ("tenant_id",) if "tenant_id" in names else ()
        wanted = (*tenant, *(name for name in getattr(statement, "row", ()) if name != "tenant_id"))
        self.row = tuple(names.index(name) for name in wanted)

    def encode(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """Return the values as SQLite keeps them; one that has no place is refused by name."""
        try:
            if self.lists:
                return tuple([store_list(v) if i in self.lists else _store(v) for i, v in enumerate(values)])
            return tuple([v if type(v) in PLAIN else store(v) for v in values])
        except (TypeError, ValueError, OverflowError) as unfit:
            raise self._named(values, unfit) from None

    def plain(self, values: Sequence[Any]) -> list[Any]:
        """Return the values as SQLite keeps them, and lists of such: what can be handed to another process."""
        try:
            return [listed(v) if i in self.lists else _store(v) for i, v in enumerate(values)]
        except (TypeError, ValueError, OverflowError) as unfit:
            raise self._named(values, unfit) from None

    def fetch(self, cursor: apsw.Cursor, values: Sequence[Any]) -> list[Any]:
        """Run the select and return its rows as shapes."""
        return self.make(cursor.execute(self.sql, self.encode(values)).fetchall())

    def _named(self, values: Sequence[Any], unfit: Exception) -> TypeError:
        for index, (name, value) in enumerate(zip(cycle(self.statement.params), values, strict=False)):
            try:
                store_list(value) if index in self.lists else _store(value)
            except (TypeError, ValueError, OverflowError) as found:
                return TypeError(f"{self.statement.home}: parameter {name!r}: {found}")
        return TypeError(f"{self.statement.home}: {unfit}")


def compile_plan(db: apsw.Connection, statement: Statement) -> Plan:
    """Prepare a statement without running it."""
    if _FORBIDDEN.search(statement.sqlite):
        raise StatementRefused(f"{statement.home}: `or rollback` and `or fail` break other callers' units: {statement.sqlite}")
    sql, lists = _positional(statement)
    plan = Plan(statement, sql, lists)
    nulls = (None,) * len(statement.params)
    try:
        columns = _columns(db, sql, nulls)
        steps = [str(row[3]) for row in db.execute("explain query plan " + sql, nulls).fetchall()]
    except apsw.Error as error:
        raise StatementRefused(
            f"{statement.home}: SQLite cannot prepare this statement: {error}\n  {statement.sqlite}"
        ) from error
    plan.columns = tuple(name for name, _ in columns)
    if isinstance(statement, Select):
        plan.make = _maker(statement, columns)
        plan.short = is_short(db, statement.sqlite, steps)
    elif columns:
        raise StatementRefused(f"{statement.home}: a change returns nothing (take `returning` away): {statement.sqlite}")
    else:
        plan.short = not scans(steps, statement.sqlite)
        plan.many = _many(plan)
    return plan


def _many(plan: Plan) -> Plan | None:
    text = in_rows(plan.sql, len(plan.statement.params)) if plan.rows == 1 and not plan.lists else ""
    if not text:
        return None
    many = Plan(plan.statement, text, plan.lists)
    many.rows = ROWS
    return many


def _store(value: Any) -> Any:
    return value if type(value) in PLAIN else store(value)


def _positional(statement: Statement) -> tuple[str, frozenset[int]]:
    order = {name: index for index, name in enumerate(statement.params)}
    lists: set[int] = set()
    scalars: set[int] = set()

    def place(found: re.Match[str]) -> str:
        opening, listed, closing, single = found.groups()
        if listed:
            lists.add(order[listed])
            # carray is a table of one column, typed: uuids stay bytes, which a detour over JSON would not allow.
            return f"{opening}select value from carray(?{order[listed] + 1}){closing}"
        if single:
            scalars.add(order[single])
            return f"?{order[single] + 1}"
        return found.group()

    sql = _TOKEN.sub(place, statement.sqlite)
    if lists & scalars:
        name = statement.params[min(lists & scalars)]
        raise StatementRefused(f"{statement.home}: {name!r} is a list in `in (:{name})` and a single value elsewhere")
    return sql, frozenset(lists)


def _columns(db: apsw.Connection, sql: str, nulls: tuple[None, ...]) -> list[tuple[str, str | None]]:
    """Return names and declared types; the tracer stops the statement before its first step."""
    found: list[tuple[str, str | None]] = []

    def look(cursor: apsw.Cursor, _sql: str, _values: Any) -> bool:
        found.extend((name, declared) for name, declared, *_ in cursor.get_description())
        return False

    cursor = db.cursor()
    cursor.exec_trace = look
    try:
        cursor.execute(sql, nulls)
    except apsw.ExecTraceAbort:
        pass
    finally:
        cursor.close()
    return found


def _maker(statement: Select[Any], columns: list[tuple[str, str | None]]) -> Callable[[_Rows], list[Any]]:
    shape = statement.shape
    if not (isinstance(shape, type) and issubclass(shape, Struct)):
        if len(columns) != 1:
            names = ", ".join(name for name, _ in columns)
            raise StatementRefused(f"{statement.home}: {shape} is one value, the select has {len(columns)} columns: {names}")
        load, nullable = fitting(statement, columns[0], shape, loader)
        return _scalars(statement, load, nullable)
    fields = msgspec.structs.fields(shape)
    same_names(statement, [field.name for field in fields], [name for name, _ in columns])
    index = {name: position for position, (name, _) in enumerate(columns)}
    loads = [fitting(statement, columns[index[field.name]], field.type, loader) for field in fields]
    return _structs(statement, tuple(index[field.name] for field in fields), loads)


def _null(statement: Statement, name: str) -> TypeError:
    return TypeError(f"{statement.home}: {name} is NULL in a row; its type must say `| None` (an outer join?)")


def _scalars(statement: Select[Any], load: Loader | None, nullable: bool) -> Callable[[_Rows], list[Any]]:
    def one(value: Any) -> Any:
        if value is None:
            if nullable:
                return None
            raise _null(statement, "the value")
        return load(value) if load is not None else value

    return lambda rows: [one(value) for (value,) in rows]


def _structs(
    statement: Select[Any], order: tuple[int, ...], loads: list[tuple[Loader | None, bool]]
) -> Callable[[_Rows], list[Any]]:
    shape = statement.shape
    names = shape.__struct_fields__
    by_name = _by_name(shape)
    turned = [(i, load) for i, (load, _) in enumerate(loads) if load is not None]
    strict = [i for i, (_, nullable) in enumerate(loads) if not nullable]
    pick: Any = None if order == tuple(range(len(order))) or len(order) < 2 else itemgetter(*order)

    def make(rows: _Rows) -> list[Any]:
        made = []
        for row in rows:
            values: Any = row if pick is None else pick(row)
            if None in values:
                for i in strict:
                    if values[i] is None:
                        raise _null(statement, f"column {names[i]!r}")
            if turned:
                values = list(values)
                for i, load in turned:
                    if values[i] is not None:
                        values[i] = load(values[i])
            made.append(shape(**dict(zip(names, values, strict=True))) if by_name else shape(*values))
        return made

    return make


def _by_name(shape: type[Struct]) -> bool:
    return any(each.kind is each.KEYWORD_ONLY for each in inspect.signature(shape).parameters.values())
