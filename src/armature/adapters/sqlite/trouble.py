"""What SQLite's errors mean to a caller.

Three kinds: the file cannot serve now (Unavailable, nothing done), a constraint said no (its name is looked up,
because SQLite reports columns), and the rest, which are bugs and stay what they are.
"""

import re

import apsw

from armature.kernel.refusals import Unavailable, UnknownOutcome

__all__ = ["commit_trouble", "constraint_name", "trouble"]

_WORDS: dict[type[apsw.Error], str] = {
    apsw.FullError: "disk full; free some space, no restart is needed",
    apsw.BusyError: "busy; another process holds the file's write lock",
    apsw.LockedError: "locked by another connection",
    apsw.IOError: "the disk does not read or write",
    apsw.CorruptError: "the file is damaged; restore it from a backup",
    apsw.NotADBError: "the file is no database",
    apsw.ReadOnlyError: "the file is read-only; check the permissions of it and of its folder",
    apsw.CantOpenError: "the file cannot be opened; check that its folder exists and may be written",
    apsw.NoMemError: "out of memory",
    apsw.ProtocolError: "the file's locks do not work; is it on a network file system?",
    apsw.PermissionsError: "the file may not be accessed",
    apsw.InterruptError: "the statement took too long and was stopped",
    apsw.ConnectionClosedError: "closed",
}


def trouble(error: Exception) -> Exception:
    """Return Unavailable for what may pass, the error itself for a bug."""
    if isinstance(error, apsw.Error):
        for kind, words in _WORDS.items():
            if isinstance(error, kind):
                return Unavailable(what=f"database: {words} ({error})")
    return error


def commit_trouble(error: Exception) -> Exception:
    """Return what to answer when COMMIT itself failed.

    A failed fsync is the one case where nobody can know: the frames are written, and a crash before the next commit
    overwrites them may bring them back.
    """
    if isinstance(error, apsw.IOError) and extended_code(error) == apsw.SQLITE_IOERR_FSYNC:
        return UnknownOutcome()
    return trouble(error)


def constraint_name(db: apsw.Connection, error: apsw.ConstraintError) -> str:
    """Return the name a module maps: the unique index's, `<table>_pkey`, or a check's own."""
    text = str(error)
    subject = text.partition("constraint failed: ")[2]
    named = re.fullmatch(r"index '(.+)'", subject)  # an index over expressions
    if named:
        return named.group(1)
    if extended_code(error) in (apsw.SQLITE_CONSTRAINT_PRIMARYKEY, apsw.SQLITE_CONSTRAINT_ROWID):
        return f"{subject.partition('.')[0]}_pkey"
    if extended_code(error) != apsw.SQLITE_CONSTRAINT_UNIQUE:
        return subject or text  # a check's name, `table.column` of a NOT NULL, or the plain words
    table = subject.partition(".")[0]
    columns = [part.partition(".")[2] for part in subject.split(", ")]
    return _unique_index(db, table, columns) or f"{table}_{'_'.join(columns)}_key"


def extended_code(error: apsw.Error) -> int:
    """Return SQLite's extended result code; 0 for an error that the library's wrapper raised itself."""
    code: int = getattr(error, "extendedresult", 0)
    return code


def _unique_index(db: apsw.Connection, table: str, columns: list[str]) -> str | None:
    found = db.execute('select name, origin from pragma_index_list(?) where "unique"', (table,)).fetchall()
    for name, origin in found:
        if origin == "c":
            key = [row[0] for row in db.execute("select name from pragma_index_info(?) order by seqno", (name,))]
            if key == columns:
                return str(name)
    return None
