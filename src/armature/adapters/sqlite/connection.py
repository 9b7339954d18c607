"""A connection with the promised durability in force, or a refusal in words.

A setting that SQLite did not take is silent: WAL is not to be had on some file systems, an old library has the WAL-
reset defect (fixed in 3.51.3), a network file system breaks locks. So each is read back or looked at here, once, at
the start.
"""

from pathlib import Path

import apsw

from armature.adapters.sqlite.trouble import trouble
from armature.kernel.refusals import Unavailable

__all__ = ["connect", "refuse_unfit"]

_VERSION_MIN = 3_051_003
_REMOTE = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs", "fuse.glusterfs", "ceph", "afs", "lustre"})
_LEVELS = {"normal": 1, "full": 2, "extra": 3}
_STATEMENTS_CACHED = 1_000
_CACHE_KIB = 65_536
"""Of pages per connection, taken as it is needed. The default of 2 MiB is passed within seconds of load; from then on each
key, a random place in its table, costs a read from the file; and a batch that outgrows the cache is written before its
commit, and then the event loop waits for the disk."""
_FOLD_BACK_PAGES = 8_000
"""How long the log gets before it is written back, 32 MiB: a page that changed ten times meanwhile is written once."""


def connect(target: str, synchronous: str, *, writer: bool) -> apsw.Connection:
    """Open `target` (a path, or a `file:` URI). Only the writer moves the log back into the file."""
    flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE | apsw.SQLITE_OPEN_URI
    try:
        db = apsw.Connection(target, flags=flags, statementcachesize=_STATEMENTS_CACHED)
        db.set_busy_timeout(5_000)  # another process may be recovering the log; from then on each caller says how long
        mode = db.execute("pragma journal_mode = wal").get
        db.execute(f"pragma synchronous = {synchronous}; pragma foreign_keys = on; pragma temp_store = memory")
        db.execute("pragma mmap_size = 0").fetchall()
        level = db.execute("pragma synchronous").get
        db.execute(f"pragma cache_size = {-_CACHE_KIB}").fetchall()
        if writer:
            db.wal_autocheckpoint(_FOLD_BACK_PAGES)
        else:
            db.wal_autocheckpoint(0)
            db.execute("pragma query_only = on")
    except apsw.Error as error:
        raise trouble(error) from error
    if mode != "wal" or level != _LEVELS[synchronous]:
        db.close()
        raise Unavailable(what=f"database: {target} gives journal_mode={mode}, synchronous={level}; it needs WAL, {synchronous}")
    db.set_busy_timeout(0)
    return db


def refuse_unfit(target: str) -> None:
    """Refuse a library or a file system on which the laws cannot hold."""
    if apsw.SQLITE_VERSION_NUMBER < _VERSION_MIN:
        raise Unavailable(what=f"database: SQLite {apsw.sqlite_lib_version()} is too old; install apsw 3.51.3 or newer")
    if target.startswith("file:"):
        return
    kind = file_system(Path(target).absolute().parent)
    if kind in _REMOTE:
        raise Unavailable(what=f"database: {target} is on a network file system ({kind}); SQLite needs a local disk")


def file_system(folder: Path) -> str:
    """Return the type of the file system a folder is on, as Linux tells; empty elsewhere."""
    try:
        lines = Path("/proc/self/mounts").read_text().splitlines()
    except OSError:
        return ""
    mounts = [(parts[1].replace("\\040", " "), parts[2]) for parts in map(str.split, lines) if len(parts) > 2]
    over = [(len(point), kind) for point, kind in mounts if folder.is_relative_to(point)]
    return max(over)[1] if over else ""
