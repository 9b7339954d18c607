"""A SQLite file saved while others write it, and put back: one copy of one state, compared table by table.

The copy is made in one step, inside one read: made in many, it would begin again with every commit of another process.
"""

import hashlib
import shutil
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import apsw
import msgspec

from armature.adapters.sqlite.fence import moved, promoted_to
from armature.adapters.sqlite.moving import SqliteSource
from armature.adapters.sqlite.trouble import trouble
from armature.engine.backup import Manifest, TableCopy, kept, refused, save_archive, synced
from armature.engine.epochs import FORGOTTEN, Turned, next_epoch, served
from armature.kernel.refusals import Unavailable

__all__ = ["restore_file", "save_file", "turn_file"]

_NAME = "armature.db"
_BUSY_MILLISECONDS = 10_000
_TABLES = r"select name from sqlite_schema where type = 'table' and name not like 'sqlite\_%' escape '\' order by name"
_LIVE = "select name from armature_leases where expires_at > cast(unixepoch('subsec') * 1000000 as integer) order by name"
_LAST = "select coalesce(max(seq), 0) from sqlite_sequence where name = 'armature_outbox'"


def save_file(file: Path, folder: Path, archive: Path, version: str) -> Manifest:
    """Copy the file into `folder` while it is served from, and describe the copy."""
    if not file.is_file():
        raise Unavailable(what=f"database: there is no file {file}; name the data folder of the system to be saved")
    copy = folder / _NAME
    try:
        with closing(apsw.Connection(str(file))) as db, closing(apsw.Connection(str(copy))) as target:
            db.set_busy_timeout(_BUSY_MILLISECONDS)
            if (place := promoted_to(db)) is not None:
                raise Unavailable(what=moved(place))
            with target.backup("main", db, "main") as work:
                work.step(-1)
        _without_capture(copy)
        with closing(apsw.Connection(str(copy))) as db:
            db.execute("pragma journal_mode = delete").fetchall()  # one file, with nothing beside it
            return _described(db, folder, archive, version)
    except apsw.Error as error:
        raise trouble(error) from error


def restore_file(folder: Path, file: Path, manifest: Manifest) -> int:
    """Put the copy where the system looks for its file, as the same log in an epoch of its own; return that."""
    if file.exists():
        raise refused(file, "there is a database already", "name an empty data folder; a restore never replaces one")
    file.parent.mkdir(parents=True, exist_ok=True)
    coming = file.with_name(f"{file.name}.restoring")
    shutil.copyfile(folder / _NAME, coming)
    try:
        with closing(apsw.Connection(str(coming))) as db:
            _compare(db, manifest)
            epoch = _turned(db).epoch
    except apsw.Error as error:
        raise refused(folder / _NAME, f"it is damaged ({error})", "take another backup; this one cannot be restored") from error
    synced(coming)
    coming.replace(file)
    synced(file.parent)
    return epoch


def turn_file(file: Path) -> Turned:
    """Give the log of a file that was brought back by other means, and that nobody serves from, an epoch of its own."""
    if not file.is_file():
        raise Unavailable(what=f"database: there is no file {file}; name the data folder that was brought back")
    try:
        with closing(apsw.Connection(str(file))) as db:
            db.set_busy_timeout(_BUSY_MILLISECONDS)
            if (place := promoted_to(db)) is not None:
                raise Unavailable(what=moved(place))
            if live := [name for (name,) in _all(db, _LIVE)]:
                raise served(file, live)
            return _turned(db)
    except apsw.Error as error:
        raise trouble(error) from error


def _without_capture(copy: Path) -> None:
    """A copy has no part in a promotion that is under way."""
    with closing(SqliteSource(copy)) as source:
        source.release()


def _described(db: apsw.Connection, folder: Path, archive: Path, version: str) -> Manifest:
    ((log, epoch),) = _all(db, "select log, epoch from armature_log")
    ((last,),) = _all(db, _LAST)
    migrations = _all(db, "select module, number, name from armature_migrations order by module, number")
    segments = [name for (name,) in _all(db, "select file from armature_segments order by first_id")]
    tables = tuple(_table(db, name) for (name,) in _all(db, _TABLES))
    files = (kept(folder, folder / _NAME), *save_archive(folder, archive, segments))
    at = datetime.now(UTC).isoformat(timespec="seconds")
    return Manifest("sqlite", version, at, log, epoch, last, last, tuple(migrations), tables, files)


def _table(db: apsw.Connection, name: str) -> TableCopy:
    """Describe a table. Rows are hashed in the order of its key, so that what is compared is what it says."""
    found = _all(db, "select name, pk from pragma_table_info(?)", name)
    columns = tuple(column for column, _ in found)
    key = [column for column, _ in sorted((pair for pair in found if pair[1]), key=lambda pair: pair[1])]
    order = ", ".join(f'"{column}"' for column in key or columns)
    digest, rows = hashlib.sha256(), 0
    encode = msgspec.msgpack.Encoder().encode
    asked = ", ".join(f'"{column}"' for column in columns)
    for row in db.execute(f'select {asked} from "{name}" order by {order}'):
        digest.update(encode(row))
        rows += 1
    return TableCopy(name, columns, rows, digest.hexdigest())


def _compare(db: apsw.Connection, manifest: Manifest) -> None:
    cure = "take another backup; this one cannot be restored"
    there = {name for (name,) in _all(db, _TABLES)}
    for wanted in manifest.tables:
        if wanted.name not in there:
            raise refused(_NAME, f"the table {wanted.name} is missing", cure)
        found = _table(db, wanted.name)
        if found.rows != wanted.rows:
            raise refused(_NAME, f"{wanted.name} has {found.rows} rows, the manifest says {wanted.rows}", cure)
        if found != wanted:
            raise refused(_NAME, f"{wanted.name} does not hold what the manifest says", cure)


def _turned(db: apsw.Connection) -> Turned:
    """Raise the epoch. Consumers of this log were saved with it, so their marks are of the new epoch, unless they are ahead."""
    with db:
        ((log, before),) = _all(db, "select log, epoch from armature_log")
        ((head,),) = _all(db, _LAST)
        epoch = next_epoch(before)
        db.execute("update armature_log set epoch = ?", (epoch,))
        mine = "update armature_consumers set epoch = ? where log = ? and epoch = ? and position <= ?"
        db.execute(mine, (epoch, log, before, head))
        for name in FORGOTTEN:
            db.execute(f"delete from {name}")
    return Turned(log, epoch, head)


def _all(db: apsw.Connection, sql: str, *values: str) -> list[Any]:
    return db.execute(sql, values).fetchall()
