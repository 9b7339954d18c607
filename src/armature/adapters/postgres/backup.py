"""A PostgreSQL database saved while others write it, and put back: tables by COPY, in one snapshot, as the owner.

Read models are left out: they are made again from the log. What is put back goes the way of a promotion, so a database that
was left half restored is refused to whoever would serve from it, and the next restore begins anew.
"""

from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, sleep

import asyncpg

from armature.adapters.postgres.migration import troubled
from armature.adapters.postgres.moving import PostgresTarget
from armature.adapters.postgres.session import Session, connected
from armature.engine.backup import Manifest, TableCopy, kept, refused, same_migrations, save_archive
from armature.engine.epochs import FORGOTTEN, Turned, next_epoch, served
from armature.engine.moving import STAYS
from armature.ports.moving import Moving, Table

__all__ = ["restore_database", "save_database", "turn_database"]

_SETTINGS = {"application_name": "armature backup", "statement_timeout": "0", "app.migrating": "on", "timezone": "UTC"}
_SNAPSHOT = "begin isolation level repeatable read read only"
_TABLES = """
select c.relname::text, array_agg(a.attname::text order by a.attnum)
  from pg_class c
  join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
 where c.relnamespace = current_schema()::regnamespace and c.relkind = 'r'
 group by c.relname
 order by c.relname
"""
_IDENTITY = """
select l.log, l.epoch, h.last,
       greatest((select max(id) from armature_outbox), (select max(last_id) from armature_segments), 0)
  from armature_log l cross join armature_head h
"""


_LIVE = """
select name from armature_leases where expires_at > (extract(epoch from clock_timestamp()) * 1000000)::bigint order by name
"""
# Names are everybody's to see; addresses only those of one's own role, or to who may read all statistics.
_CONNECTED = """
select application_name, coalesce(host(client_addr), ''), count(*)
  from pg_stat_activity
 where datname = current_database() and pid <> pg_backend_pid() and application_name ~ '^armature( |$)'
 group by 1, 2
 order by 1, 2
"""
_LEAVE_SECONDS = 2.0
_LOOK_SECONDS = 0.05


class _Filled(PostgresTarget):
    """A target that takes whole tables from files."""

    def load(self, file: Path, table: str, columns: Sequence[str]) -> None:
        """Append what a COPY wrote to a file."""
        try:
            self._session.copy_in(table, columns, file)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            raise troubled(f"target: {table}", 0, error) from error


def save_database(url: str, folder: Path, archive: Path, version: str) -> Manifest:
    """Copy all that cannot be made again into `folder`, as of one moment, and describe it."""
    try:
        with connected(url, **_SETTINGS) as session:
            session.run(_SNAPSHOT)
            _refuse_empty(session)
            ((log, epoch, head, last),) = session.rows(_IDENTITY)
            migrations = session.rows("select module, number, name from armature_migrations order by module, number")
            segments = [str(name) for (name,) in session.rows("select file from armature_segments order by first_id")]
            tables = tuple(
                _save(session, folder, name, tuple(columns)) for name, columns in session.rows(_TABLES) if not _left_out(name)
            )
            session.run("commit")
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise troubled("backup", 0, error) from error
    files = (*(kept(folder, folder / _file(table.name)) for table in tables), *save_archive(folder, archive, segments))
    at = datetime.now(UTC).isoformat(timespec="seconds")
    done = tuple((module, number, name) for module, number, name in migrations)
    return Manifest("postgres", version, at, log, epoch, head, last, done, tables, files)


def restore_database(url: str, folder: Path, manifest: Manifest) -> int:
    """Fill an empty, migrated database, as the same log in an epoch of its own; return that."""
    of = Moving(manifest.log, manifest.epoch)
    with closing(_Filled(url)) as target:
        same_migrations(manifest, target.applied())
        there = {table.name: table for table in target.tables()}
        for copy in manifest.tables:
            if copy.name not in there:
                cure = f"restore with version {manifest.version} of the project"
                raise refused("target", f"the table {copy.name} is missing", cure)
        tables = [there[copy.name] for copy in manifest.tables]
        _emptied(target, of, tables)
        target.begin(of, tables)
        for copy, table in zip(manifest.tables, tables, strict=True):
            target.load(folder / _file(copy.name), copy.name, copy.columns)
            if (count := target.count(table)) != copy.rows:
                raise refused("target", f"{copy.name} has {count} rows, the manifest says {copy.rows}", "restore once more")
        target.complete()
        after = Moving(of.log, next_epoch(of.epoch))
        target.finish(after, manifest.last_id, manifest.head)
    return after.epoch


def turn_database(url: str) -> Turned:
    """Give the log of a database that was brought back by other means, and that nobody serves from, an epoch of its own."""
    try:
        with connected(url, **_SETTINGS) as session:
            _refuse_empty(session)
            _wait_for_leavers(session)
            session.run("begin")
            session.run("lock table armature_log, armature_leases in access exclusive mode")
            # Who comes from now on waits for the lock and reads the new epoch; who was here has read the old one.
            if live := [name for (name,) in session.rows(_LIVE)] + _sessions(session):
                raise served("database", live)
            ((log, before, head, _),) = session.rows(_IDENTITY)
            after = next_epoch(before)
            session.run("update armature_log set epoch = $1", after)
            mine = "update armature_consumers set epoch = $1 where log = $2 and epoch = $3 and position <= $4"
            session.run(mine, after, log, before, head)
            for name in FORGOTTEN:
                session.run(f"delete from {name}")
            session.run("commit")
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise troubled("restore", 0, error) from error
    return Turned(log, after, head)


def _refuse_empty(session: Session) -> None:
    if not session.rows("select to_regclass('armature_log') is not null")[0][0]:
        raise refused("database", "no system was ever started on it", "name the environment of the one that is meant")


def _wait_for_leavers(session: Session) -> None:
    """Give sessions whose processes have just ended the moment that the server takes to end them."""
    until = monotonic() + _LEAVE_SECONDS
    while _sessions(session) and monotonic() < until:
        sleep(_LOOK_SECONDS)


def _sessions(session: Session) -> list[str]:
    """Say who of the system is connected: a process without a role that takes leases serves too."""
    return [
        f"{name}{f' at {address}' if address else ''} ({count} session{'s' if count > 1 else ''})"
        for name, address, count in session.rows(_CONNECTED)
    ]


def _emptied(target: PostgresTarget, of: Moving, tables: list[Table]) -> None:
    """Refuse a database with rows; what an earlier restore of this backup left half done is thrown away."""
    state = target.state()
    if state is not None:
        if state.of != of or state.seq:
            text = f"something else of the log {state.of.log} is under way there"
            raise refused("target", text, "finish or abort that one, or name an empty database")
        target.abandon(tables)
    for table in tables:
        if target.count(table):
            raise refused("target", f"it is not empty: {table.name} has rows", "name an empty database")


def _save(session: Session, folder: Path, name: str, columns: tuple[str, ...]) -> TableCopy:
    path = folder / _file(name)
    path.parent.mkdir(exist_ok=True)
    return TableCopy(name, columns, session.copy_out(name, columns, path))


def _left_out(name: str) -> bool:
    return name in STAYS or "__" in name


def _file(table: str) -> str:
    return f"tables/{table}.copy"
