"""Runs one migration on an open connection and turns what goes wrong into file, line and cure."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import apsw

from armature.adapters.sqlite.ddl import translate
from armature.engine.ddl import Sentence, sentences
from armature.engine.python_migration import NOTHING_KEPT, run_python
from armature.ports.migrator import Migration, SchemaRefused, SchemaUnreachable, Trouble

__all__ = ["run", "run_sql", "troubled"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# The transaction belongs to the runner: a commit in the middle would leave half a migration behind.
_RUNNERS = frozenset({"begin", "commit", "end", "rollback", "savepoint", "release"})

_CURES: tuple[tuple[type[apsw.Error], str], ...] = (
    (apsw.FullError, "free disk space and start again; nothing of it was kept"),
    (apsw.BusyError, "stop the process that holds the database, or wait for it, and start again"),
    (apsw.LockedError, "stop the process that holds the database, or wait for it, and start again"),
    (apsw.CantOpenError, "create the folder and let this user write to it"),
    (apsw.ReadOnlyError, "let this user write to the file and its folder"),
    (apsw.PermissionsError, "let this user write to the file and its folder"),
    (apsw.NotADBError, "point to an Armature database, or move this file away"),
    (apsw.CorruptError, "restore the file from a backup"),
    (apsw.ConstraintError, "rows that exist break it: repair them in a migration before it"),
    (apsw.SQLError, "write what every engine takes, or twins: NNNN_name.sqlite.sql and NNNN_name.postgres.sql"),
)


# What SQLite says of names is the same kind of error as a word it does not know, and has another cure.
_CURES_OF_NAMES = (
    ("already exists", "give it another name, or remove one of the two"),
    ("duplicate column name", "give it another name, or remove one of the two"),
    ("no such table", "create it first, in this file or an earlier one"),
    ("no such column", "correct the name, or add the column first"),
    ("cannot VACUUM", "begin the file with `-- no transaction`"),
)


# Says nothing about the schema: somebody holds the file, or its disk has no room.
_PASSING = (apsw.BusyError, apsw.FullError)


def troubled(file: str, line: int, error: apsw.Error) -> SchemaRefused:
    """Return what SQLite said, with the cure for its kind of trouble; `SchemaUnreachable` for what may pass."""
    said = str(error)
    cures = [cure for words, cure in _CURES_OF_NAMES if words in said]
    cures += [cure for kind, cure in _CURES if isinstance(error, kind)]
    kind = SchemaUnreachable if isinstance(error, _PASSING) else SchemaRefused
    return kind(Trouble(file, line, said, cures[0] if cures else NOTHING_KEPT))


def run(connection: apsw.Connection, migration: Migration) -> None:
    """Run one migration in whatever transaction is open."""
    if migration.python:
        run_python(migration, SqliteData(connection, migration.file))
    else:
        text = migration.text if migration.raw else translate(migration.text, file=migration.file)
        run_sql(connection, text, migration.file)
    if migration.transaction:
        _check_references(connection, migration)


def run_sql(connection: apsw.Connection, text: str, file: str) -> None:
    """Run SQL in SQLite's own words, sentence by sentence."""
    for sentence in sentences(text):
        _refuse_transactions(sentence, file)
        try:
            # To the end: a statement that returns rows is otherwise left standing at its first.
            connection.execute(sentence.text).fetchall()
        except apsw.Error as error:
            raise troubled(file, _line(sentence, error), error) from error


def _line(sentence: Sentence, error: apsw.Error) -> int:
    offset = getattr(error, "error_offset", -1)
    if offset < 0:
        return sentence.line
    before = sentence.text.encode()[:offset].count(b"\n")
    return sentence.tokens[0].line + before


def _refuse_transactions(sentence: Sentence, file: str) -> None:
    if sentence.words[0] in _RUNNERS:
        text = f"'{sentence.words[0]}' in a migration: the runner begins and commits"
        raise SchemaRefused(Trouble(file, sentence.line, text, "remove it; `-- no transaction` runs a file without one"))


def _check_references(connection: apsw.Connection, migration: Migration) -> None:
    broken = connection.execute("pragma foreign_key_check").fetchone()
    if broken is not None:
        text = f"rows of {broken[0]} refer to rows of {broken[2]} that do not exist"
        raise SchemaRefused(Trouble(migration.file, 0, text, "repair or remove those rows in the same migration"))


class SqliteData:
    """The `db` of a data migration."""

    def __init__(self, connection: apsw.Connection, file: str) -> None:
        self._connection = connection
        self._file = file

    def rows(self, sql: str, params: Sequence[Any] | dict[str, Any] = (), /) -> list[tuple[Any, ...]]:
        """Return all rows as plain values."""
        for sentence in sentences(sql):
            _refuse_transactions(sentence, self._file)
        return list(self._connection.execute(sql, _plain(params)))

    def run(self, sql: str, params: Sequence[Any] | dict[str, Any] = (), /) -> int:
        """Run a change; return how many rows it touched."""
        before = self._connection.total_changes()
        self.rows(sql, params)
        return self._connection.total_changes() - before


def _plain(params: Sequence[Any] | Mapping[str, Any]) -> Any:
    if isinstance(params, Mapping):
        return {name: _value(value) for name, value in params.items()}
    return tuple(map(_value, params))


def _value(value: Any) -> Any:
    if isinstance(value, UUID):
        return value.bytes
    if isinstance(value, datetime):
        return (value - _EPOCH) // timedelta(microseconds=1)
    return value
