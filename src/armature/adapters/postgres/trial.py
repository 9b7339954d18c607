"""A database that exists for one check: made from the migrations, walled, asked to explain each statement, and dropped.

`explain` and not `prepare` alone, because only what is started looks at grants; and under the lane's role, because the login
may do more. Nothing is ever run. Parameters are null, which changes plans and neither types nor rights.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from asyncpg import exceptions as errors
from msgspec import Struct

from armature.adapters.postgres.ddl import PostgresDdl
from armature.adapters.postgres.grants import LaneNames
from armature.adapters.postgres.migrator import PostgresMigrator
from armature.adapters.postgres.plan import numbered
from armature.adapters.postgres.row_security import quoted
from armature.adapters.postgres.session import Session, connected
from armature.adapters.postgres.walls import Kinds
from armature.engine.ddl import renamed_ddl, tables
from armature.engine.migrations import FRAMEWORK, migrate
from armature.kernel.statement import Change, Statement
from armature.ports.migrator import SchemaRefused, Trouble

__all__ = ["Explained", "Trial", "TrialRefused", "trial"]

_CURES: tuple[tuple[type[Exception], str], ...] = (
    (errors.InsufficientPrivilegeError, "a module's SQL names only its own tables, and writes no read model outside of folds"),
    (errors.IndeterminateDatatypeError, "say the parameter's type: cast(:name as text)"),
    (errors.UndefinedTableError, "correct the name, or create the table in a migration"),
    (errors.UndefinedColumnError, "correct the name, or add the column in a migration"),
    (errors.UndefinedFunctionError, "compare and add values of one type, or cast; or give the statement a postgres= variant"),
    (errors.DatatypeMismatchError, "store what the column takes, or cast"),
    (errors.GroupingError, "group by every column that is not summed"),
)
_WORDS = {
    "int2": "bigint",
    "int4": "bigint",
    "int8": "bigint",
    "float4": "double",
    "float8": "double",
    "bool": "boolean",
    "varchar": "text",
    "bpchar": "text",
    "name": "text",
    "json": "jsonb",
}


class Explained(Struct, frozen=True):
    """What PostgreSQL says of a statement; types are column words where there is one (`bigint`), arrays end in `[]`."""

    parameters: dict[str, str]
    columns: tuple[tuple[str, str], ...]


class TrialRefused(Exception):
    """PostgreSQL does not take the statement."""

    def __init__(self, text: str, cure: str) -> None:
        self.text = text
        self.cure = cure
        super().__init__(f"{text}; {cure}")


class Trial:
    """One such database. `read_models`: the DDL of projections, text by file."""

    def __init__(self, session: Session, database: str, kinds: Kinds, read_models: Mapping[str, str]) -> None:
        self._session = session
        self._names = LaneNames(database, kinds)
        self._renames = {table: f"{table}__0" for text in read_models.values() for table in tables(text)}
        ddl = PostgresDdl(database, kinds)
        for file, text in read_models.items():
            try:
                session.run(ddl(renamed_ddl(text, self._renames), file=file))
            except asyncpg.PostgresError as error:
                raise SchemaRefused(Trouble(file, 0, str(error), "write what every engine takes")) from error

    @property
    def version(self) -> int:
        """The server's major version."""
        return self._session.version

    def explain(self, statement: Statement, module: str) -> Explained:
        """Return the types of a module's statement; raises TrialRefused where it could not run."""
        twin = statement.renamed(self._renames) if self._renames.keys() & (statement.reads | statement.writes) else statement
        folds = isinstance(statement, Change) and statement.table in self._renames
        role = self._names.roles[FRAMEWORK if folds else module]
        sql = numbered(twin, lambda index: f"${index + 1}")
        self._session.run(f"begin; set local role {quoted(role)}")
        try:
            types, columns = self._session.prepared(sql)
            nulls = f" ({', '.join(['null'] * len(types))})" if types else ""
            self._session.run(f"prepare armature_trial as {sql}")
            self._session.run(f"explain execute armature_trial{nulls}")
        except asyncpg.PostgresError as error:
            cure = next((cure for kind, cure in _CURES if isinstance(error, kind)), "write SQL that every engine takes")
            raise TrialRefused(str(error), cure) from error
        finally:
            self._session.run("rollback")
            with suppress(errors.InvalidSQLStatementNameError):  # it outlives its transaction
                self._session.run("deallocate armature_trial")
        found = {name: _word(held) for name, held in zip(statement.params, types, strict=True)}
        return Explained(found, tuple((name, _word(held)) for name, held in columns))


def _word(held: str) -> str:
    bare = held.removesuffix("[]")
    return f"{_WORDS.get(bare, bare)}{held[len(bare) :]}"


@contextmanager
def trial(url: str, kinds: Kinds, modules: Sequence[tuple[str, Path]], read_models: Mapping[str, str]) -> Iterator[Trial]:
    """Make a database on the server of `url`, whose user may create databases and roles; it and its lanes are dropped after."""
    database = f"armature_check_{hashlib.sha256(os.urandom(16)).hexdigest()[:12]}"
    own = urlunsplit(urlsplit(url)._replace(path=f"/{database}"))
    # The empty answer of `migrate` tells whether the address is right, in words.
    PostgresMigrator(url).applied()
    with connected(url) as server:
        try:
            server.run(f"create database {database} template template0 lc_collate 'C' lc_ctype 'C'")
        except errors.InsufficientPrivilegeError as error:
            cure = "give the address of a user who may create databases and roles; on a laptop: make sql"
            raise SchemaRefused(Trouble("check sql", 0, str(error), cure)) from error
        try:
            migrate(PostgresMigrator(own, kinds=kinds), modules)
            with connected(own) as session:
                yield Trial(session, database, kinds, read_models)
        finally:
            server.run(f"drop database {database} with (force)")
            for role in LaneNames(database, kinds).roles.values():
                server.run(f"drop role if exists {quoted(role)}")
