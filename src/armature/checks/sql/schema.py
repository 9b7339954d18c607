"""The schema that statements are checked against: two databases in memory, made from the same migrations.

One is what production will be, and its query plans are read. The other keeps the words that people wrote (SQLite forgets
that an integer was a timestamptz), and tells what a column means.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import apsw
from msgspec import Struct

from armature.adapters.sqlite.ddl import translate
from armature.adapters.sqlite.migration import run, run_sql
from armature.checks.finding import Finding
from armature.checks.sql.module import SqlModule
from armature.engine.ddl import Sentence, sentences
from armature.engine.migrations import FRAMEWORK, found
from armature.ports.migrator import Migration, SchemaRefused

_NAMES_FIRST = frozenset(
    {
        apsw.SQLITE_CREATE_TABLE,
        apsw.SQLITE_CREATE_INDEX,
        apsw.SQLITE_CREATE_VIEW,
        apsw.SQLITE_CREATE_TRIGGER,
        apsw.SQLITE_DROP_TABLE,
        apsw.SQLITE_DROP_INDEX,
        apsw.SQLITE_INSERT,
        apsw.SQLITE_UPDATE,
        apsw.SQLITE_DELETE,
        apsw.SQLITE_READ,
    }
)
_NAMES_SECOND = frozenset({apsw.SQLITE_CREATE_INDEX, apsw.SQLITE_ALTER_TABLE, apsw.SQLITE_CREATE_TRIGGER})

# SQLite reads these itself, or they are functions that look like tables.
_ENGINES_OWN = ("sqlite_", "pragma_", "json_")

__all__ = ["Column", "Schema", "ddl_sentences", "migrations"]


class Column(Struct, frozen=True):
    """A column as its migration declares it; `word` is lower case."""

    table: str
    name: str
    word: str
    nullable: bool


class Schema:
    """All tables of the modules applied so far."""

    def __init__(self) -> None:
        self.plans = apsw.Connection(":memory:")
        self._words = apsw.Connection(":memory:")
        self._touched: dict[str, list[tuple[str, str, dict[str, None]]]] = {}
        for migration in found([], "sqlite"):
            self._run(migration)

    def apply(self, module: SqlModule) -> list[Finding]:
        """Apply a module's migrations and its projections' DDL; what is wrong with them is a finding."""
        try:
            for migration in migrations(module):
                with self._watched(module, migration.file, migration.text):
                    self._run(migration)
            for file, text in module.projections_ddl.items():
                with self._watched(module, file, text):
                    run_sql(self.plans, translate(text, file=file), file)
                run_sql(self._words, text, file)
        except SchemaRefused as refused:
            return [Finding("sql:schema", one.file, one.line, one.text, one.cure) for one in refused.troubles]
        return []

    def _run(self, migration: Migration) -> None:
        run(self.plans, migration)
        if migration.python:
            run(self._words, migration)
        else:
            run_sql(self._words, migration.text, migration.file)

    @contextmanager
    def _watched(self, module: SqlModule, file: str, text: str) -> Iterator[None]:
        """Note which names a file touches, as SQLite itself resolves them."""
        names: dict[str, None] = {}
        self._touched.setdefault(module.name, []).append((file, text, names))

        def touch(action: int, first: str | None, second: str | None, *_: str | None) -> int:
            if action in _NAMES_FIRST and first:
                names[first.lower()] = None
            if action in _NAMES_SECOND and second:
                names[second.lower()] = None
            return apsw.SQLITE_OK

        self.plans.authorizer = touch
        try:
            yield
        finally:
            self.plans.authorizer = None

    def foreign(self, module: SqlModule) -> Iterator[tuple[str, int, str]]:
        """Return (file, line, name) of each table or index that a module's files touch and that is not its own."""
        for file, text, names in self._touched.get(module.name, []):
            referred = {str(row[2]).lower() for name in names for row in self.plans.execute(f"pragma foreign_key_list({name})")}
            for name in sorted({*names, *referred}):
                if not module.owns(name) and not name.startswith(_ENGINES_OWN):
                    lines = text.lower().splitlines()
                    yield file, next((at for at, line in enumerate(lines, start=1) if name in line), 0), name

    def tables(self) -> set[str]:
        """Return the names of all tables."""
        return {str(name) for (name,) in self.plans.execute("select name from sqlite_schema where type = 'table'")}

    def strict(self, table: str) -> bool:
        """Tell whether the table refuses values of a wrong type."""
        return any(row[5] for row in self.plans.execute(f"pragma table_list({table})"))

    def columns(self, table: str) -> dict[str, Column]:
        """Return a table's columns by name."""
        words = {row[1]: str(row[2]).lower() for row in self._words.execute(f"pragma table_info({table})")}
        return {
            name: Column(table, name, words.get(name, str(kind).lower()), not (required or key))
            for _, name, kind, required, _, key in self.plans.execute(f"pragma table_info({table})")
        }

    def unique(self, table: str, index: str | None) -> int | None:
        """Return how many columns name one row through an index (None: the primary key); None when they name many."""
        if index is None:
            return sum(bool(row[5]) for row in self.plans.execute(f"pragma table_info({table})")) or None
        unique = any(row[1] == index and row[2] for row in self.plans.execute(f"pragma index_list({table})"))
        return len(list(self.plans.execute(f"pragma index_info({index})"))) if unique else None


def migrations(module: SqlModule, dialect: str = "sqlite") -> list[Migration]:
    """Return a module's own migrations. Raises SchemaRefused when its files are no series."""
    return [one for one in found([(module.name, Path(module.folder))], dialect) if one.module != FRAMEWORK]


def ddl_sentences(module: SqlModule) -> Iterator[tuple[str, Sequence[Sentence]]]:
    """Return the SQL files of a module that are no statements: its migrations and its projections' DDL, by file."""
    for migration in migrations(module):
        if not migration.python:
            yield migration.file, sentences(migration.text)
    for file, text in module.projections_ddl.items():
        yield file, sentences(text)
