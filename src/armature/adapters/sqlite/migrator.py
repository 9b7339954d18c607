"""Brings a SQLite file's schema to where the files say: one process at a time, one transaction per migration.

Two locks, because each does what the other cannot. A file lock beside the database lets one process migrate at a
time, also through migrations that run without a transaction; the kernel drops it with the process, whatever killed
it. `begin immediate` keeps out those who write: a previous release that is still serving. What is applied is read
again inside it.
"""

import fcntl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

import apsw

from armature.adapters.sqlite.fence import refuse_promoted
from armature.adapters.sqlite.migration import run, troubled
from armature.engine.crash import crashpoint
from armature.ports.migrator import Applied, Migration, Pending, SchemaRefused, SchemaUnreachable, Trouble

__all__ = ["SqliteMigrator"]

T = TypeVar("T")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_POLL_SECONDS = 0.02

_TABLE = """
create table if not exists armature_migrations (
    module     text    not null,
    number     integer not null,
    name       text    not null,
    checksum   text    not null,
    applied_at integer not null,
    primary key (module, number)
) strict, without rowid
"""
_EXISTS = "select 1 from sqlite_schema where type = 'table' and name = 'armature_migrations'"
_ALL = "select module, number, name, checksum, applied_at from armature_migrations order by module, number"
_RECORD = "insert into armature_migrations (module, number, name, checksum, applied_at) values (?, ?, ?, ?, ?)"


class SqliteMigrator:
    """The schema of one SQLite file. `wait_seconds`: how long to wait for others before giving up with words."""

    dialect = "sqlite"

    def __init__(self, path: str | Path, *, wait_seconds: float = 60.0) -> None:
        self._path = Path(path)
        self._wait_seconds = wait_seconds

    def applied(self) -> list[Applied]:
        """Return what was applied; nothing is created by looking."""
        return self._look(_read) or []

    def migrate(self, pending: Pending) -> list[Migration]:
        """Apply what is pending, one transaction each; return what this call applied. A promoted file is refused in any case."""
        self._look(partial(refuse_promoted, file=str(self._path)))
        if not pending(self.applied()):
            return []
        done: list[Migration] = []
        with self._alone(), self._connected(apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE) as connection:
            # Once, while nobody else is here; ten processes that switch at the same moment would meet SQLITE_BUSY.
            connection.pragma("journal_mode", "wal")
            while (migration := _step(connection, pending)) is not None:
                done.append(migration)
        return done

    def _look(self, at: Callable[[apsw.Connection], T]) -> T | None:
        """Look at the file, None where there is none: looking creates nothing."""
        if not self._path.exists() or self._path.stat().st_size == 0:
            return None
        with self._connected(apsw.SQLITE_OPEN_READWRITE) as connection:
            return at(connection)

    @contextmanager
    def _connected(self, flags: int) -> Iterator[apsw.Connection]:
        """Open the file. Foreign keys stay off, so that a table may be rebuilt; they are checked before each commit."""
        try:
            with closing(apsw.Connection(str(self._path), flags=flags)) as connection:
                connection.set_busy_timeout(int(self._wait_seconds * 1000))
                yield connection
        except apsw.Error as error:
            raise troubled(str(self._path), 0, error) from error

    @contextmanager
    def _alone(self) -> Iterator[None]:
        # Not the database itself: closing any descriptor of it would drop SQLite's own locks of this process.
        lock = self._path.with_name(f"{self._path.name}.migrating")
        try:
            held = lock.open("ab")
        except OSError as error:
            cure = "create the folder and let this user write to it"
            raise SchemaRefused(Trouble(str(lock), 0, str(error.strerror), cure)) from error
        with held:
            deadline = time.monotonic() + self._wait_seconds
            while not _locked(held.fileno()):
                if time.monotonic() > deadline:
                    text = f"another process has been migrating for {self._wait_seconds:g} s"
                    raise SchemaUnreachable(Trouble(str(self._path), 0, text, "wait for it or stop it, and start again"))
                time.sleep(_POLL_SECONDS)
            yield


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(connection: apsw.Connection) -> list[Applied]:
    if connection.execute(_EXISTS).fetchone() is None:
        return []
    return [
        Applied(module, number, name, checksum, _EPOCH + timedelta(microseconds=at))
        for module, number, name, checksum, at in connection.execute(_ALL)
    ]


def _step(connection: apsw.Connection, pending: Pending) -> Migration | None:
    """Apply the next migration, None when there is none left."""
    connection.execute("begin immediate")
    try:
        connection.execute(_TABLE)
        left: Sequence[Migration] = pending(_read(connection))
        if left and left[0].transaction:
            crashpoint("migrate.begun")
            run(connection, left[0])
            crashpoint("migrate.written")
            _record(connection, left[0])
        connection.execute("commit")
        if left:
            crashpoint("migrate.committed")
    finally:
        # SQLite may have rolled back already (disk full); a rollback then would hide the cause.
        if connection.in_transaction:
            connection.execute("rollback")
    if left and not left[0].transaction:
        run(connection, left[0])
        crashpoint("migrate.written")
        _record(connection, left[0])
    return left[0] if left else None


def _record(connection: apsw.Connection, migration: Migration) -> None:
    now = (datetime.now(UTC) - _EPOCH) // timedelta(microseconds=1)
    connection.execute(_RECORD, (migration.module, migration.number, migration.name, migration.checksum, now))
    crashpoint("migrate.recorded")
