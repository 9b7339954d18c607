"""SQL as named constants that know their own shape.

A statement knows its parameters, the tables it touches and, for a change, which row it means, which parameter carries the
version it expects and how many rows it must touch. Everything else follows from that one declaration: the lock and check
at commit, the queue of a hot row, If-Match, the error for a row planned twice, and messages that name the row (laws 2).
"""

import copy
import re
import sys
from typing import Any, Generic, Self, TypeVar

__all__ = ["Ask", "Change", "Select", "Statement", "change", "select"]

R = TypeVar("R")

# A parameter is `:name` that is neither a cast (`::`) nor inside a quoted text.
_TOKEN = re.compile(r"'(?:[^']|'')*'|--[^\n]*|::|:([a-z_][a-z0-9_]*)", re.IGNORECASE)
_NOISE = re.compile(r"'(?:[^']|'')*'|--[^\n]*")
_READS = re.compile(r"\b(?:from|join)\s+([a-z_][a-z0-9_]*)", re.IGNORECASE)
_WRITES = re.compile(r"\b(?:insert\s+into|update(?!\s+set\b)|delete\s+from)\s+([a-z_][a-z0-9_]*)", re.IGNORECASE)
_CTE = re.compile(r"(?:\bwith(?:\s+recursive)?|,)\s+([a-z_][a-z0-9_]*)\s+as\s+(?:not\s+)?(?:materialized\s*)?\(", re.IGNORECASE)


class Statement:
    """What all statements share. Compared and hashed by identity: a statement is a constant of a module."""

    __slots__ = ("home", "names", "params", "postgres", "reads", "sqlite", "text", "writes")

    def __init__(self, text: str, *, sqlite: str | None = None, postgres: str | None = None, home: str = "") -> None:
        self.text = text.strip()
        self.sqlite = sqlite.strip() if sqlite else self.text
        self.postgres = postgres.strip() if postgres else self.text
        self.params = parameters(self.text)
        for variant in (self.sqlite, self.postgres):
            if set(parameters(variant)) != set(self.params):
                raise TypeError(f"{home}: the variants of a statement must take the same parameters: {variant}")
        self.names = frozenset(self.params)
        bare = _NOISE.sub(" ", self.text)
        local = frozenset(_CTE.findall(bare))
        self.writes = frozenset(name.lower() for name in _WRITES.findall(bare)) - local
        self.reads = frozenset(name.lower() for name in _READS.findall(bare)) - local
        self.home = home
        """Where it was declared, `file:line`; messages and findings print it."""

    def renamed(self, tables: dict[str, str]) -> Self:
        """Return the same statement on other tables; a generation of a projection has its own."""
        words = re.compile(r"\b(" + "|".join(map(re.escape, tables)) + r")\b")
        twin = copy.copy(self)
        twin.text, twin.sqlite, twin.postgres = (
            words.sub(lambda found: tables[found.group()], text) for text in (self.text, self.sqlite, self.postgres)
        )
        twin.reads = frozenset(tables.get(name, name) for name in self.reads)
        twin.writes = frozenset(tables.get(name, name) for name in self.writes)
        if isinstance(twin, Change):
            (twin.table,) = twin.writes
        return twin

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.home} {' '.join(self.text.split())[:60]!r}>"


class Select(Statement, Generic[R]):
    """A statement that returns rows of one shape: a struct (columns by field name) or a single plain value."""

    __slots__ = ("shape",)

    def __init__(self, shape: type[R], text: str, **more: Any) -> None:
        super().__init__(text, **more)
        self.shape = shape
        if self.writes:
            raise TypeError(f"{self.home}: a select must not change anything: {self.text}")

    def __call__(self, **params: Any) -> "Ask[R]":
        """Bind parameters, for `work.read(A(...), B(...))`: several reads of one state."""
        return Ask(self, params)


class Ask(Generic[R]):
    """A select with its parameters."""

    __slots__ = ("params", "statement")

    def __init__(self, statement: Select[R], params: dict[str, Any]) -> None:
        self.statement = statement
        self.params = params


class Change(Statement):
    """A statement that writes exactly one table."""

    __slots__ = ("adds", "cas", "cas_at", "of_tenant", "row", "row_at", "rows", "table")

    def __init__(self, text: str, *, row: tuple[str, ...], cas: str | None, rows: int | None, **more: Any) -> None:
        super().__init__(text, **more)
        if len(self.writes) != 1:
            raise TypeError(f"{self.home}: a change writes exactly one table, this one {sorted(self.writes)}")
        for name in (*row, *((cas,) if cas else ())):
            if name not in self.names:
                raise TypeError(f"{self.home}: {name!r} is declared but is no parameter of the statement")
        if cas is not None and (not row or rows is None):
            raise TypeError(f"{self.home}: a change with cas= must say which row=(…) and how many rows= it means")
        (self.table,) = self.writes
        self.adds: frozenset[str] = frozenset()
        self.row = row
        self.cas = cas
        self.rows = rows
        self.of_tenant = "tenant_id" in self.names
        """A row's full name begins with the tenant, unless the table is the platform's."""
        self.row_at = tuple(self.params.index(name) for name in row if name != "tenant_id")
        self.cas_at = self.params.index(cas) if cas else -1

    def adding(self, *names: str) -> Self:
        """Say which parameters, whole numbers or decimals, are only added to what is there; return the statement.

        Folds that plan it many times, with the same other values, then send it once a commit, with the sums (decision 0039).
        """
        for name in names:
            if name not in self.names:
                raise TypeError(f"{self.home}: {name!r} is to add up but is no parameter of the statement")
            if name in (*self.row, self.cas, "tenant_id"):
                raise TypeError(f"{self.home}: {name!r} says which row is meant, so it cannot add up")
        self.adds = frozenset(names)
        return self


def select(shape: type[R], text: str, *, sqlite: str | None = None, postgres: str | None = None) -> Select[R]:
    """Declare a read. `shape` is a struct or one of bool, int, float, str, bytes, UUID, datetime."""
    return Select(shape, text, sqlite=sqlite, postgres=postgres, home=_home())


def change(
    text: str,
    *,
    row: tuple[str, ...] = (),
    cas: str | None = None,
    rows: int | None = 1,
    sqlite: str | None = None,
    postgres: str | None = None,
) -> Change:
    """Declare a write.

    `row` names the parameters that identify the row, `cas` the one that carries the version the decision was made on, and
    `rows` how many rows it must touch (None: any number). Fewer or more is a conflict, and the command runs again.
    """
    return Change(text, row=row, cas=cas, rows=rows, sqlite=sqlite, postgres=postgres, home=_home())


def parameters(text: str) -> tuple[str, ...]:
    """Return the names of the parameters in the order of their first appearance."""
    return tuple(dict.fromkeys(found for found in _TOKEN.findall(text) if found))


def _home() -> str:
    frame = sys._getframe(2)
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
