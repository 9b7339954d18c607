"""Brings a PostgreSQL database to where the files say: one process at a time, one transaction per migration, then the walls.

One advisory lock, held by the session and not by a transaction, covers migrations that run without one too; the server
drops it with the connection, whatever killed the process. It is asked for again and again instead of waited for, because
a waiting statement holds a snapshot, and `create index concurrently` in the process that has the lock would wait for it.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import unquote, urlsplit

import asyncpg
from asyncpg import exceptions as errors

from armature.adapters.postgres.migration import run, troubled
from armature.adapters.postgres.session import Session, connected
from armature.adapters.postgres.walls import Kinds, Walls
from armature.engine.crash import crashpoint
from armature.engine.migrations import FRAMEWORK
from armature.ports.migrator import Applied, Migration, Pending, SchemaRefused, SchemaUnreachable, Trouble

__all__ = ["PostgresMigrator"]

_POLL_SECONDS = 0.05
_VERSION_MIN = 15  # views that read with their caller's rights
_LOCK = 0x41726D6174757265  # "Armature"; advisory locks are numbers, each database has its own
_HOLDER = """
select a.application_name, a.client_addr::text, a.pid
  from pg_locks l
  join pg_stat_activity a on a.pid = l.pid
 where l.locktype = 'advisory' and l.granted and l.database = (select oid from pg_database where datname = current_database())
   and l.classid = ($1::bigint >> 32) and l.objid = ($1::bigint & 4294967295)
"""
_TABLE = """
create table if not exists armature_migrations (
    module     text        not null,
    number     bigint      not null,
    name       text        not null,
    checksum   text        not null,
    applied_at timestamptz not null,
    primary key (module, number)
)
"""
_EXISTS = "select to_regclass('armature_migrations') is not null"
_ALL = "select module, number, name, checksum, applied_at from armature_migrations order by module, number"
_RECORD = "insert into armature_migrations (module, number, name, checksum, applied_at) values ($1, $2, $3, $4, now())"


class PostgresMigrator:
    """The schema of one PostgreSQL database, and the walls in it.

    `url` is the owner's; `login` names the role as which the system will run (None: the owner's too). `kinds` says of each
    module's tables whether they are `tenant` or `global`; without it there are no lanes, grants and policies.
    `wait_seconds`: how long to wait for others; `lock_seconds`: how long a statement may wait for a lock of those who serve.
    """

    dialect = "postgres"

    def __init__(
        self,
        url: str,
        *,
        kinds: Kinds | None = None,
        login: str | None = None,
        wait_seconds: float = 60.0,
        lock_seconds: float = 5.0,
    ) -> None:
        self._url = url
        self._kinds = kinds
        self._login = login
        self._wait_seconds = wait_seconds
        self._lock_seconds = lock_seconds

    def applied(self) -> list[Applied]:
        """Return what was applied; nothing is created by looking, and a database that is not there holds nothing."""
        try:
            with self._connected() as session:
                return _read(session)
        except SchemaRefused as refused:
            if isinstance(refused.__cause__, errors.InvalidCatalogNameError):
                return []
            raise

    def migrate(self, pending: Pending) -> list[Migration]:
        """Apply what is pending, one transaction each, and build the walls; return what this call applied."""
        done: list[Migration] = []
        with self._connected() as session:
            if session.version < _VERSION_MIN:
                text = f"the server is PostgreSQL {session.version}"
                raise SchemaRefused(Trouble(self._place, 0, text, f"use PostgreSQL {_VERSION_MIN} or newer"))
            if not pending(_read(session)) and not self._unwalled(session):
                return []
            with self._alone(session):
                while (migration := _step(session, pending)) is not None:
                    done.append(migration)
                self._build_walls(session)
        return done

    def _unwalled(self, session: Session) -> list[str]:
        if self._kinds is None:
            return []
        database = session.rows("select current_database()")[0][0]
        modules = {row.module for row in _read(session)} - {FRAMEWORK}
        kinds = {**{name: {} for name in modules}, **self._kinds}
        return Walls(database, kinds, self._login).missing(session)

    def _build_walls(self, session: Session) -> None:
        sentence = ""
        session.run("begin")
        try:
            for sentence in self._unwalled(session):
                session.run(sentence)
            crashpoint("migrate.walled")
            session.run("commit")
        except errors.InsufficientPrivilegeError as error:
            cure = "migrate as the owner of the database and its tables, with `createrole`"
            raise SchemaRefused(Trouble(self._place, 0, f"{error} ({sentence})", cure)) from error
        finally:
            _leave(session)

    @property
    def _place(self) -> str:
        """The address without its password."""
        parts = urlsplit(self._url)
        return f"database {unquote(parts.path.lstrip('/'))} on {parts.hostname}:{parts.port or 5432}"

    @contextmanager
    def _connected(self) -> Iterator[Session]:
        settings = {
            "application_name": "armature migrate",
            "lock_timeout": f"{int(self._lock_seconds * 1000)}ms",
            "statement_timeout": "0",
            "idle_in_transaction_session_timeout": "0",
            "app.migrating": "on",
        }
        try:
            with connected(self._url, **settings) as session:
                yield session
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            raise troubled(self._place, 0, error) from error

    @contextmanager
    def _alone(self, session: Session) -> Iterator[None]:
        deadline = time.monotonic() + self._wait_seconds
        while not session.rows("select pg_try_advisory_lock($1)", _LOCK)[0][0]:
            if time.monotonic() > deadline:
                name, address, pid = next(iter(session.rows(_HOLDER, _LOCK)), ("somebody", "", 0))
                text = f"{name} ({address}, backend {pid}) has been migrating for {self._wait_seconds:g} s"
                raise SchemaUnreachable(Trouble(self._place, 0, text, "wait for it or stop it, and start again"))
            time.sleep(_POLL_SECONDS)
        # Not given back by hand: it ends with the session, which ends with this call.
        yield


def _read(session: Session) -> list[Applied]:
    if not session.rows(_EXISTS)[0][0]:
        return []
    return [Applied(*row) for row in session.rows(_ALL)]


def _step(session: Session, pending: Pending) -> Migration | None:
    """Apply the next migration, None when there is none left."""
    session.run(_TABLE)
    left: Sequence[Migration] = pending(_read(session))
    if not left:
        return None
    migration = left[0]
    if not migration.transaction:
        run(session, migration)
        crashpoint("migrate.written")
        _record(session, migration)
        return migration
    session.run("begin")
    try:
        crashpoint("migrate.begun")
        run(session, migration)
        crashpoint("migrate.written")
        _record(session, migration)
        try:
            session.run("commit")
        except asyncpg.PostgresError as error:  # a deferred constraint
            raise troubled(migration.file, 0, error) from error
        crashpoint("migrate.committed")
    finally:
        _leave(session)
    return migration


def _record(session: Session, migration: Migration) -> None:
    session.run(_RECORD, migration.module, migration.number, migration.name, migration.checksum)
    crashpoint("migrate.recorded")


def _leave(session: Session) -> None:
    if session.in_transaction:
        session.run("rollback")
