"""What tables a project has, with their columns and keys, read from the files that create them.

For whoever has to look at all rows of everything: the proof that two topologies agree, and the copy from one database to
another. Files in one engine's own words are read as far as they are portable; a table that only such a file describes
is not listed.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from armature.engine.ddl import sentences
from armature.engine.portable_ddl import added_column, portable_table
from armature.kernel.statement import Select, select
from armature.ports.migrator import Migration, SchemaRefused

__all__ = ["Column", "Table", "every_row", "tables_of", "texts"]

_TYPES: dict[str, Any] = {
    "uuid": UUID,
    "text": str,
    "bigint": int,
    "double": float,
    "boolean": bool,
    "timestamptz": datetime,
    "jsonb": msgspec.Raw,
    "bytea": bytes,
}


class Column(Struct, frozen=True):
    """A column; `word` is one of the portable column words."""

    name: str
    word: str


class Table(Struct, frozen=True):
    """A table; `key` names the columns of its primary key, in their order."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    @property
    def of_tenant(self) -> bool:
        """True when its rows belong to tenants."""
        return any(column.name == "tenant_id" for column in self.columns)


def tables_of(files: Sequence[tuple[str, str]]) -> tuple[Table, ...]:
    """Return the tables that these files, (name, DDL) in the order of their application, leave behind."""
    found: dict[str, Table] = {}
    for file, text in files:
        for sentence in sentences(text):
            words = sentence.words
            if words[:2] == ("drop", "table"):
                found.pop(words[-2 if words[-1] == ";" else -1], None)
                continue
            try:
                table, column = portable_table(sentence, file), added_column(sentence, file)
            except SchemaRefused:
                continue
            if table is not None:
                columns = tuple(Column(one.name, one.word) for one in table.columns)
                found[table.name] = Table(table.name, columns, table.key)
            elif column is not None and words[2] in found:
                before = found[words[2]]
                found[words[2]] = Table(before.name, (*before.columns, Column(column.name, column.word)), before.key)
    return tuple(found.values())


def texts(migrations: Sequence[Migration]) -> Iterator[tuple[str, str]]:
    """Return the files of migrations that hold SQL."""
    for migration in migrations:
        if not migration.python:
            yield migration.file, migration.text


def every_row(table: Table) -> Select[Any]:
    """Return the select of all rows of a table (of one tenant, where rows belong to tenants), in the order of its key."""
    fields = [(column.name, _TYPES[column.word] | None) for column in table.columns]
    shape = msgspec.defstruct(f"Row_{table.name}", fields, frozen=True)
    names = ", ".join(column.name for column in table.columns)
    where = " where tenant_id = :tenant_id" if table.of_tenant else ""
    order = ", ".join(table.key or [column.name for column in table.columns])
    return select(shape, f"select {names} from {table.name}{where} order by {order}")
