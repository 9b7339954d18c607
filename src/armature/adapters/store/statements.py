"""A statement as its text, and back: what an owner needs of one that lives in another process."""

from typing import Any

import msgspec
from msgspec import Struct

from armature.adapters.store.shapes import Definition
from armature.kernel.statement import Change, Select, Statement

__all__ = ["defined", "restored"]


def defined(statement: Statement, columns: tuple[str, ...]) -> Definition:
    """Return a statement as text; `columns` are those its database gave it."""
    head = (statement.text, statement.sqlite, statement.home)
    if isinstance(statement, Change):
        return Definition(*head, "change", row=statement.row, cas=statement.cas, rows=statement.rows)
    return Definition(*head, "select", columns=columns, single=not _is_struct(statement))


def restored(definition: Definition) -> Statement:
    """Return a statement that reads and writes the same; its rows are plain values in the order of the columns."""
    if definition.kind == "change":
        return Change(
            definition.text,
            row=definition.row,
            cas=definition.cas,
            rows=definition.rows,
            sqlite=definition.sqlite,
            home=definition.home,
        )
    shape: Any = Any
    if not definition.single:
        shape = msgspec.defstruct("Row", [(name, Any) for name in definition.columns], array_like=True)
    return Select(shape, definition.text, sqlite=definition.sqlite, home=definition.home)


def _is_struct(statement: Statement) -> bool:
    shape = getattr(statement, "shape", None)
    return isinstance(shape, type) and issubclass(shape, Struct)
