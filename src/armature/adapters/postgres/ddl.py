"""The portable column words, as PostgreSQL stores them, and what a generation of a read model needs around its tables.

PostgreSQL knows all eight words but one: `double` is half a name there. Everything else is refused exactly where SQLite
refuses it, so that a file that one engine takes the other takes too.
"""

from datetime import UTC, datetime

from armature.adapters.postgres.walls import Kinds, Relation, Walls
from armature.engine.ddl import Sentence, sentences
from armature.engine.portable_ddl import added_column, portable_table, put

__all__ = ["PostgresDdl", "translate"]

_STORED = {"double": "double precision"}


class PostgresDdl:
    """PostgreSQL's words for what a generation is made of; grants and policies included when `kinds` are given."""

    def __init__(self, database: str, kinds: Kinds | None = None) -> None:
        self._walls = Walls(database, kinds) if kinds is not None else None

    def __call__(self, text: str, *, file: str) -> str:
        """Return portable DDL as PostgreSQL's; after each table's columns stand its grants and its policies."""
        # The last sentence may lack its semicolon, or end in a comment.
        parts = [translate(text, file=file), "\n;\n"]
        for sentence in sentences(text):
            table = portable_table(sentence, file)
            if table is not None and self._walls is not None:
                has_tenant = any(column.name == "tenant_id" for column in table.columns)
                parts += [f"{one};\n" for one in self._walls.around(Relation(table.name, has_tenant=has_tenant))]
        return "".join(parts)

    def moment(self, at: datetime) -> str:
        """Return a literal for a timestamptz."""
        return f"timestamptz '{at.astimezone(UTC).isoformat()}'"


def translate(text: str, *, file: str) -> str:
    """Return portable DDL as PostgreSQL's. Lines keep their numbers; an unknown column word is refused with its line."""
    return "".join(_translated(sentence, file) for sentence in sentences(text))


def _translated(sentence: Sentence, file: str) -> str:
    table, column = portable_table(sentence, file), added_column(sentence, file)
    columns = table.columns if table is not None else (column,) if column is not None else ()
    return put(sentence, {one.token: _STORED[one.word] for one in columns if one.word in _STORED})
