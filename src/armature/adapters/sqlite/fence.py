"""The fence around a file whose data went to another database: every write is refused with words, whoever tries.

Triggers, because they hold for every process that has the file open, and are there in the same commit as the decision.
"""

import logging

import apsw

from armature.kernel.refusals import Unavailable
from armature.ports.migrator import SchemaRefused, Trouble

__all__ = ["Fenced", "fence", "moved", "promoted_to", "refuse_promoted"]

log = logging.getLogger("armature.sqlite")

_WORDS = "armature: promoted"
_CURE = "start with an environment that names that database"
_TABLE = "create table armature_promoted (place text not null) strict"
_EXISTS = "select 1 from sqlite_schema where type = 'table' and name = 'armature_promoted'"
_TABLES = """
select name from sqlite_schema where type = 'table' and name not like 'sqlite\\_%' escape '\\' and name <> 'armature_promoted'
"""


def fence(db: apsw.Connection, place: str) -> None:
    """Refuse every write of every table from the commit on, and keep the place where the data went."""
    for (table,) in db.execute(_TABLES).fetchall():
        for what in ("insert", "update", "delete"):
            name = f'"armature_fence_{what}_{table}"'
            db.execute(f"create trigger {name} before {what} on \"{table}\" begin select raise(abort, '{_WORDS}'); end")
    db.execute(_TABLE)
    db.execute("insert into armature_promoted (place) values (?)", (place,))


def promoted_to(db: apsw.Connection) -> str | None:
    """Return the place where the data went, None for a file that serves."""
    if db.execute(_EXISTS).fetchone() is None:
        return None
    return str(db.execute("select place from armature_promoted").get)


def refuse_promoted(db: apsw.Connection, file: str) -> None:
    """Raise `SchemaRefused` for a file whose data went elsewhere: no later start from it will do better."""
    if (place := promoted_to(db)) is not None:
        raise SchemaRefused(Trouble(file, 0, f"its data was promoted to {place}", _CURE))


class Fenced:
    """Tells those whose writes the fence refused that the data moved; where to, an address, is for operators: the log, once."""

    def __init__(self) -> None:
        self._said = False

    def refuse(self, db: apsw.Connection, error: apsw.ConstraintError) -> None:
        """Raise `Unavailable` when it was the fence that refused."""
        if _WORDS not in str(error):
            return
        if not self._said:
            self._said = True
            log.error("%s", moved(promoted_to(db) or "another database"))
        raise Unavailable(what="database: its data was promoted to another one, which takes the writes") from error


def moved(place: str) -> str:
    """Return what to tell an operator who comes to the old file."""
    return f"database: its data was promoted to {place}; {_CURE}"
