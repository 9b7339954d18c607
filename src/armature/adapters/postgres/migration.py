"""Runs one migration on an open session and turns what goes wrong into file, line and cure."""

from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg
from asyncpg import exceptions as errors

from armature.adapters.postgres.ddl import translate
from armature.adapters.postgres.session import Session
from armature.engine.ddl import Sentence, sentences, tokens
from armature.engine.python_migration import NOTHING_KEPT, run_python
from armature.ports.migrator import Migration, SchemaRefused, SchemaUnreachable, Trouble

__all__ = ["PostgresData", "run", "troubled"]

_TWINS = "write what every engine takes, or twins: NNNN_name.sqlite.sql and NNNN_name.postgres.sql"
_HELD = "find who holds it (select * from pg_stat_activity), let it finish or end it, and start again; nothing of it was kept"

# The transaction belongs to the runner: a commit in the middle would leave half a migration behind.
_RUNNERS = frozenset({"begin", "start", "commit", "end", "rollback", "abort", "savepoint", "release", "prepare"})

_CURES: tuple[tuple[type[Exception], str], ...] = (
    (errors.LockNotAvailableError, _HELD),
    (errors.DeadlockDetectedError, "start again; nothing of it was kept"),
    (errors.DiskFullError, "free disk space and start again; nothing of it was kept"),
    (errors.ReadOnlySQLTransactionError, "migrate the primary: this server is a standby or read-only"),
    (errors.InvalidCatalogNameError, "create it: create database … template template0 lc_collate 'C' lc_ctype 'C'"),
    (errors.InvalidAuthorizationSpecificationError, "create the role, or correct user and password in the address"),
    (errors.TooManyConnectionsError, "raise max_connections, or lower the pools of what runs, and start again"),
    (errors.CannotConnectNowError, "wait until the server is up, and start again"),
    (errors.ActiveSQLTransactionError, "begin the file with `-- no transaction`"),
    (errors.InsufficientPrivilegeError, "migrate as the owner of the tables"),
    (errors.DuplicateTableError, "give it another name, or remove one of the two"),
    (errors.DuplicateColumnError, "give it another name, or remove one of the two"),
    (errors.DuplicateObjectError, "give it another name, or remove one of the two"),
    (errors.UndefinedTableError, "create it first, in this file or an earlier one"),
    (errors.UndefinedColumnError, "correct the name, or add the column first"),
    (errors.IntegrityConstraintViolationError, "rows that exist break it: repair them in a migration before it"),
    (errors.SyntaxOrAccessError, _TWINS),
    (errors.PostgresConnectionError, "look why the server ended the connection, and start again"),
    (errors.ClientConfigurationError, "write postgresql://user@host:port/database"),
    (ConnectionError, "start the server, or correct host and port in the address"),
    (TimeoutError, "look whether host and port are right and the server is alive"),
    (OSError, "correct the host in the address, or the network to it"),
    (asyncpg.InterfaceError, "look why the server ended the connection, and start again"),
)

# Says nothing about the schema: the server is down, starting, ending or full, or somebody stands in the way.
_PASSING = (
    OSError,
    asyncpg.InterfaceError,
    errors.PostgresConnectionError,
    errors.OperatorInterventionError,
    errors.TooManyConnectionsError,
    errors.LockNotAvailableError,
    errors.DeadlockDetectedError,
)


def troubled(place: str, line: int, error: Exception) -> SchemaRefused:
    """Return what PostgreSQL said, with the cure for its kind of trouble; `SchemaUnreachable` for what may pass."""
    cure = next((cure for kind, cure in _CURES if isinstance(error, kind)), NOTHING_KEPT)
    detail = getattr(error, "detail", None)
    said = str(error).splitlines()[0] if str(error) else type(error).__name__
    kind = SchemaUnreachable if isinstance(error, _PASSING) else SchemaRefused
    return kind(Trouble(place, line, f"{said} ({detail})" if detail else said, cure))


def run(session: Session, migration: Migration) -> None:
    """Run one migration in whatever transaction is open."""
    if migration.python:
        run_python(migration, PostgresData(session, migration.file))
        return
    text = migration.text if migration.raw else translate(migration.text, file=migration.file)
    for sentence in sentences(text):
        _refuse_transactions(sentence, migration.file)
        try:
            session.run(sentence.text)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            raise troubled(migration.file, _line(sentence, error), error) from error


def _line(sentence: Sentence, error: Exception) -> int:
    position = getattr(error, "position", None)
    if not position:
        return sentence.line
    return sentence.tokens[0].line + sentence.text[: int(position) - 1].count("\n")


def _refuse_transactions(sentence: Sentence, file: str) -> None:
    if sentence.words[0] in _RUNNERS:
        text = f"'{sentence.words[0]}' in a migration: the runner begins and commits"
        raise SchemaRefused(Trouble(file, sentence.line, text, "remove it; `-- no transaction` runs a file without one"))


class PostgresData:
    """The `db` of a data migration. Parameters are `?` for a sequence and `:name` for a mapping, as on every engine."""

    def __init__(self, session: Session, file: str) -> None:
        self._session = session
        self._file = file

    def rows(self, sql: str, params: Sequence[Any] | dict[str, Any] = (), /) -> list[tuple[Any, ...]]:
        """Return all rows as plain values: UUID, aware datetime, bytes, jsonb as text."""
        return self._session.rows(*self._bound(sql, params))

    def run(self, sql: str, params: Sequence[Any] | dict[str, Any] = (), /) -> int:
        """Run a change; return how many rows it touched."""
        count = self._session.run(*self._bound(sql, params)).rpartition(" ")[2]
        return int(count) if count.isdecimal() else 0

    def _bound(self, sql: str, params: Sequence[Any] | Mapping[str, Any]) -> tuple[Any, ...]:
        for sentence in sentences(sql):
            _refuse_transactions(sentence, self._file)
        if isinstance(params, Mapping):
            return _by_name(sql, params)
        return _by_place(sql, params)


def _by_place(sql: str, params: Sequence[Any]) -> tuple[Any, ...]:
    if not params:  # a lone `?` may be an operator of jsonb then
        return (sql,)
    count, parts = 0, []
    for token in tokens(sql):
        is_parameter = token.kind == "sign" and token.text == "?"
        count += is_parameter
        parts.append(f"${count}" if is_parameter else token.text)
    if count != len(params):
        raise ValueError(f"the statement has {count} parameters, {len(params)} values were given")
    return ("".join(parts), *params)


def _by_name(sql: str, params: Mapping[str, Any]) -> tuple[Any, ...]:
    places: dict[str, int] = {}
    parts: list[str] = []
    for token in tokens(sql):
        if parts and parts[-1] == ":" and token.kind == "word":
            if token.text not in params:
                raise ValueError(f"the statement asks for :{token.text}, which was not given")
            parts[-1] = f"${places.setdefault(token.text, len(places) + 1)}"
        else:
            parts.append(token.text)
    return ("".join(parts), *(params[name] for name in places))
