"""What messages are made of: statements as text and as numbers, and units without their owners."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from armature.ports.database import EventRow, KeyRow

__all__ = ["Definition", "Parts", "Plain"]

Plain = tuple[int, Sequence[Any]]
"""A statement's number and its values as SQLite keeps them; the values of `in (:names)` are a list."""


class Definition(Struct, frozen=True, array_like=True):
    """A statement as text. `columns` are those of a select that returns structs, `single` says that it returns one value."""

    text: str
    sqlite: str
    home: str
    kind: str
    columns: tuple[str, ...] = ()
    single: bool = False
    row: tuple[str, ...] = ()
    cas: str | None = None
    rows: int | None = None


class Parts(Struct, array_like=True, gc=False):
    """A unit without its owner."""

    lane: str
    writes: list[Plain]
    guards: list[Plain]
    events: Sequence[EventRow]
    key: KeyRow | None
    rows_max: int | None
