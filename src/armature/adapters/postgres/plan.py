"""A statement, compiled: numbered parameters and their types, how rows become shapes, and the form in which it is shared.

Everything is found out when a statement is bound, so that a call looks nothing up. What is bound and does not fit is
refused with the place of its declaration, because there it must be mended.
"""

import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from operator import contains
from typing import Any

import asyncpg
from msgspec import Struct

from armature.adapters.postgres.rows import Build, Columns, Rows
from armature.adapters.postgres.session import Session
from armature.adapters.postgres.shared_form import shared_form
from armature.adapters.postgres.values import Encoder, array_encoder, encoder
from armature.engine.shapes import StatementRefused
from armature.kernel.statement import Change, Select, Statement

__all__ = ["Plan", "Plans", "StatementRefused", "compile_plan", "numbered", "row_name"]

# As in the kernel: `:name`, but no cast and nothing inside a text, a quoted name or a comment; here also `in (:names)`.
_TOKEN = re.compile(
    r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|::|(\bnot\s+)?\bin\s*\(\s*:([a-z_]\w*)\s*\)|:([a-z_]\w*)""", re.IGNORECASE
)

# Of these what is equal is the same; of a number with decimals 1.0 equals 1.00.
_COMPARED = frozenset(("uuid", "text", "varchar", "bytea", "bool", "int2", "int4", "int8", "date", "timestamptz"))


class Plan:
    """One statement on this database. `types` are those of its parameters (`uuid`, `text[]`), `columns` those of its rows.

    `role` is the lane's under which it runs; `tenant_at` the place of `:tenant_id` among the values, None without one;
    `shared` the SQL that serves many callers at once (see `shared_form`), None where there is none; `build` and `build_shared`
    make a shape of a row of either; `order` says at which column of `sql` each field is. `lasting`: who gives equal values gets
    equal rows, and nobody can change one that he was given, so that it may be given to several.
    """

    __slots__ = (
        "_encoders",
        "_plain",
        "_shared_encoders",
        "build",
        "build_shared",
        "columns",
        "lasting",
        "order",
        "role",
        "row",
        "rows",
        "secured",
        "shared",
        "sql",
        "statement",
        "tenant_at",
        "types",
    )

    def __init__(self, statement: Statement, sql: str, types: Sequence[str], columns: Columns) -> None:
        self.statement = statement
        self.sql = sql
        self.types = tuple(types)
        self.columns = columns
        self.role: str | None = None
        self.shared: str | None = None
        self.secured = False
        self.lasting = False
        self.build: Build = tuple
        self.build_shared: Build = tuple
        self.order: tuple[int, ...] = tuple(range(len(columns)))
        self.rows = statement.rows if isinstance(statement, Change) else None
        names = statement.params
        self.tenant_at = names.index("tenant_id") if "tenant_id" in names else None
        tenant = ("tenant_id",) if "tenant_id" in names else ()
        self.row = tuple(map(names.index, (*tenant, *(n for n in getattr(statement, "row", ()) if n != "tenant_id"))))
        self._encoders = tuple(map(encoder, self.types))
        self._plain = tuple(plain for plain, _ in self._encoders)
        self._shared_encoders = tuple(array_encoder(held) if held.endswith("[]") else encoder(held) for held in self.types)

    def encode(self, values: Sequence[Any]) -> Sequence[Any]:
        """Return the values as the driver takes them; one that has no place is refused by name."""
        return self._encoded(values, self._encoders)

    def encode_shared(self, values: Sequence[Any]) -> Sequence[Any]:
        """Return the values for one caller's place in the arrays of `shared`."""
        return self._encoded(values, self._shared_encoders)

    async def fetch(self, connection: asyncpg.Connection, values: Sequence[Any]) -> list[Any]:
        """Run the select on a connection, in whatever transaction that is in; return its rows as shapes."""
        return self.made(await connection.fetch(self.sql, *self.encode(values)))

    def made(self, records: Iterable[Any]) -> list[Any]:
        """Return rows of `sql` as shapes."""
        build = self.build
        return [build(record) for record in records]

    def _encoded(self, values: Sequence[Any], encoders: tuple[Encoder, ...]) -> Sequence[Any]:
        try:
            if len(values) == len(self._plain) and all(map(contains, self._plain, map(type, values))):
                return values
            return [v if type(v) in plain else turn(v) for v, (plain, turn) in zip(values, encoders, strict=True)]
        except (TypeError, ValueError) as unfit:
            raise self._named(values, unfit) from None

    def _named(self, values: Sequence[Any], unfit: Exception) -> Exception:
        for name, value, (plain, turn) in zip(self.statement.params, values, self._encoders, strict=False):
            try:
                _ = value if type(value) in plain else turn(value)
            except (TypeError, ValueError) as found:
                return TypeError(f"{self.statement.home}: parameter {name!r}: {found}")
        return TypeError(f"{self.statement.home}: {unfit}")


class Plans(dict[Statement, Plan]):
    """All that was bound."""

    def __missing__(self, statement: Statement) -> Plan:
        raise ValueError(f"{statement.home}: this statement was never bound; list it among its module's statements")


def compile_plan(session: Session, statement: Statement, *, secured: bool) -> Plan:
    """Prepare a statement without running it; the tables must exist by now. `secured`: policies ask for the tenant."""
    sql = numbered(statement, lambda index: f"${index + 1}")
    try:
        types, columns = session.prepared(sql)
    except asyncpg.IndeterminateDatatypeError as error:
        raise StatementRefused(f"{statement.home}: {error}; say it, as in `cast(:name as text)`: {sql}") from error
    except asyncpg.PostgresError as error:
        raise StatementRefused(
            f"{statement.home}: PostgreSQL cannot prepare this statement: {error}\n  {statement.postgres}"
        ) from error
    plan = Plan(statement, sql, types, columns)
    if isinstance(statement, Select):
        rows = Rows(statement, plan.columns)
        plan.order = rows.order
        plan.build = rows.build(rows.order)
        # The first column of the shared form is the caller's number, the fields follow in their order.
        plan.build_shared = rows.build(range(1, len(rows.order) + 1))
        plan.secured = secured and plan.tenant_at is not None
        plan.shared = _shared(session, plan)
        plan.lasting = _lasting(statement.shape, plan)
    elif columns:
        raise StatementRefused(f"{statement.home}: a change returns nothing (take `returning` away): {statement.postgres}")
    return plan


def numbered(statement: Statement, place: Callable[[int], str]) -> str:
    """Return the statement with `place(index)` for each parameter; `in (:names)` becomes a comparison with an array."""
    order = {name: index for index, name in enumerate(statement.params)}

    def put(found: re.Match[str]) -> str:
        negated, listed, single = found.groups()
        if listed:
            return f"{'<> all' if negated else '= any'} ({place(order[listed])})"
        return place(order[single]) if single else found.group()

    return _TOKEN.sub(put, statement.postgres)


def row_name(table: str, row_at: Sequence[int], types: Sequence[str]) -> Callable[[Sequence[Any]], Hashable]:
    """Return what makes of a statement's values, as the driver takes them, a name of their row to look up by.

    Python hashes and compares a UUID's number at a stroke, and the UUID by calls of its own.
    """
    parts = [f"values[{at}]" + (f" and values[{at}].int" if types[at] == "uuid" else "") for at in row_at]
    named: Callable[[Sequence[Any]], Hashable] = eval(f"lambda values: (table, {', '.join(parts)})", {"table": table})
    return named


def _shared(session: Session, plan: Plan) -> str | None:
    """Return the form for many callers, None where PostgreSQL does not take the statement in it (`for update` …)."""
    if not plan.types:
        return None
    inner = numbered(plan.statement, lambda index: _column(index, plan.types[index]))
    sql = shared_form(inner, plan.types, [plan.columns[i][0] for i in plan.order], secured=plan.secured)
    try:
        session.prepared(sql)
    except asyncpg.PostgresError:
        return None
    return sql


def _lasting(shape: Any, plan: Plan) -> bool:
    if isinstance(shape, type) and issubclass(shape, Struct) and not shape.__struct_config__.frozen:
        return False
    nested = any(held.endswith("[]") or held in ("json", "jsonb") for _, held in plan.columns)
    return not nested and _COMPARED.issuperset(plan.types)


def _column(index: int, held: str) -> str:
    return f"armature_ask.p{index}{f'::{held}' if held.endswith('[]') else ''}"
