"""The portable column words, as SQLite must store them.

SQLite's loose affinity turned a uuid's hex text into a REAL, so every table is STRICT (laws 10). A table whose
primary key is anything but one bigint is written `without rowid`, so that rows lie in the order of the key and a
tenant's page is a walk over neighbours; except where a jsonb or bytea column makes rows long (figures:
docs/decisions/0016-sqlite-tables.md).
"""

from datetime import UTC, datetime, timedelta

from armature.engine.ddl import Sentence, sentences
from armature.engine.portable_ddl import PortableTable, added_column, portable_table, put

__all__ = ["SqliteDdl", "translate"]

_STORED = {
    "uuid": "blob",
    "text": "text",
    "bigint": "integer",
    "double": "real",
    "boolean": "integer",
    "timestamptz": "integer",
    "jsonb": "text",
    "bytea": "blob",
}
_LONG = frozenset({"jsonb", "bytea"})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SqliteDdl:
    """SQLite's words for what a generation of a read model is made of."""

    def __call__(self, text: str, *, file: str) -> str:
        """Return portable DDL as SQLite's."""
        return translate(text, file=file)

    def moment(self, at: datetime) -> str:
        """Return a literal for a timestamptz: whole microseconds since 1970."""
        return str((at - _EPOCH) // timedelta(microseconds=1))


def translate(text: str, *, file: str) -> str:
    """Return portable DDL as SQLite's. Lines keep their numbers; an unknown column word is refused with its line."""
    return "".join(_translated(sentence, file) for sentence in sentences(text))


def _translated(sentence: Sentence, file: str) -> str:
    table, column = portable_table(sentence, file), added_column(sentence, file)
    if table is not None:
        stored = {one.token: _STORED[one.word] for one in table.columns}
        return put(sentence, {**stored, table.closes: f"){_suffix(table)}"})
    return put(sentence, {column.token: _STORED[column.word]} if column is not None else {})


def _suffix(table: PortableTable) -> str:
    words = {column.name: column.word for column in table.columns}
    key = tuple(words.get(name) for name in table.key)
    plain = key in ((), ("bigint",)) or not _LONG.isdisjoint(words.values())
    return " strict" if plain else " strict, without rowid"
