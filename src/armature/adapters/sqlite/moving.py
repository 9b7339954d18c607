"""A SQLite file as the source of a promotion: read in chunks beside the process that serves, its changes captured by triggers.

A trigger writes down the key of each row that changes, in the transaction that changes it; nothing else sees every change,
whoever makes it. Each read is short, so that the file's log can be folded back meanwhile.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import apsw

from armature.adapters.sqlite.connection import connect
from armature.adapters.sqlite.fence import fence, promoted_to
from armature.adapters.sqlite.trouble import trouble
from armature.adapters.sqlite.values import PLAIN, store
from armature.kernel.refusals import Unavailable
from armature.ports.migrator import SchemaRefused, Trouble
from armature.ports.moving import Changes, Column, Key, Moving, Row, Table

__all__ = ["SqliteSource"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LOG = "armature_outbox"
_KEY_COLUMNS_MAX = 8
_WAIT_MILLISECONDS = 10_000
_KEYS = [f"k{at}" for at in range(1, _KEY_COLUMNS_MAX + 1)]
_MOVED = f"""
create table if not exists armature_moved (
    seq integer primary key autoincrement, name text not null, {", ".join(f"{key} any" for key in _KEYS)}
) strict
"""
_TABLES = """
select name from sqlite_schema
 where type = 'table' and name not like 'sqlite\\_%' escape '\\' and name not in ('armature_moved', 'armature_promoted')
 order by name
"""
_CAPTURING = "select count(*) from sqlite_schema where name = 'armature_moved'"
_TRIGGERS = "select name from sqlite_schema where type = 'trigger' and name like 'armature\\_capture\\_%' escape '\\'"

_LOADERS: dict[str, Callable[[Any], Any]] = {
    "uuid": lambda value: UUID(bytes=value),
    "timestamptz": lambda value: _EPOCH + timedelta(microseconds=value),
    "boolean": bool,
    "double": float,
}


class _File:
    """The file and what is in it."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise Unavailable(what=f"database: there is no file {path}; name the data folder of the system that is to move")
        self._db = connect(str(path), "full", writer=True)
        self._db.set_busy_timeout(_WAIT_MILLISECONDS)

    def close(self) -> None:
        """Let go of the file; a pause ends with it."""
        self._db.close()

    def identity(self) -> Moving:
        """Return which log this is."""
        return Moving(*self._all("select log, epoch from armature_log")[0])

    def applied(self) -> set[tuple[str, int, str]]:
        """Return the migrations."""
        return {
            (module, number, name) for module, number, name in self._all("select module, number, name from armature_migrations")
        }

    def tables(self) -> list[Table]:
        """Return all tables. The log's position is its id here; as a column it exists only where commits run side by side."""
        return [self._table(name) for (name,) in self._all(_TABLES)]

    def chunk(self, table: Table, after: Key | None, limit: int) -> list[Row]:
        """Return the next rows, in one short read."""
        where, values = "", ()
        if after is not None:
            where, values = f"where ({_names(table.key)}) > ({_marks(after)})", _stored(after)
        sql = f'select {_columns(table)} from "{table.name}" {where} order by {_names(table.key)} limit {limit}'
        return _loaded(table, self._all(sql, values))

    def rows(self, table: Table, keys: Sequence[Key]) -> dict[Key, Row]:
        """Return the rows of these keys that exist."""
        sql = f'select {_columns(table)} from "{table.name}" where ({_names(table.key)}) = ({_marks(table.key)})'
        rows = _loaded(table, [row for key in keys for row in self._all(sql, _stored(key))])
        return dict(zip(table.keys_of(rows), rows, strict=True))

    def count(self, table: Table) -> int:
        """Return how many rows there are."""
        return int(self._all(f'select count(*) from "{table.name}"')[0][0])

    def last_event(self) -> int:
        """Return the highest id ever given."""
        found = self._all("select seq from sqlite_sequence where name = ?", (_LOG,))
        return int(found[0][0]) if found else 0

    def sealed(self) -> str | None:
        """Return where the data went."""
        return promoted_to(self._db)

    def _table(self, name: str) -> Table:
        found = self._all("select name, pk from pragma_table_info(?)", (name,))
        columns = [Column(column) for column, _ in found]
        key = tuple(column for column, _ in sorted((pair for pair in found if pair[1]), key=lambda pair: pair[1]))
        return Table(name, (*columns, Column("position")) if name == _LOG else tuple(columns), key)

    def _all(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        try:
            return self._db.execute(sql, values).fetchall()
        except apsw.Error as error:
            raise trouble(error) from error


class SqliteSource(_File):
    """A `Source` on a file that another process may be serving from."""

    def capture(self, tables: Sequence[Table]) -> None:
        """Install the triggers, all or none."""
        for table in tables:
            if len(table.key) > _KEY_COLUMNS_MAX:
                text = f"its key has {len(table.key)} columns, at most {_KEY_COLUMNS_MAX} can be moved"
                raise SchemaRefused(Trouble(table.name, 0, text, "give it a shorter key"))
        with self._writing():
            self._db.execute(_MOVED)
            for table in tables:
                for sentence in _capturing(table):
                    self._db.execute(sentence)

    def changes(self, tables: Sequence[Table], log: Table, after: int, event: int) -> Changes:
        """Return what changed, read as of one state."""
        own = not self._db.in_transaction
        if own:
            self._db.execute("begin")
        try:
            if not self._all(_CAPTURING)[0][0]:
                cure = "run the command again: it says where the file stands"
                raise SchemaRefused(Trouble("source", 0, "somebody else ended the capture of changes meanwhile", cure))
            seq = self._all("select coalesce(max(seq), 0) from armature_moved")[0][0]
            named = {name for (name,) in self._all("select distinct name from armature_moved where seq > ?", (after,))}
            rows = {table: self._changed(table, after) for table in tables if table.name in named}
            events = self._all(f"select {_columns(log)} from {_LOG} where id > ? order by id", (event,))
            return Changes(max(seq, after), rows, _loaded(log, events))
        finally:
            if own:
                self._db.execute("rollback")

    def waiting(self, after: int, event: int) -> int:
        """Return about how many changes and events are left."""
        capturing = self._all(_CAPTURING)[0][0]
        last = self._all("select coalesce(max(seq), 0) from armature_moved")[0][0] if capturing else 0
        return int(max(0, last - after) + max(0, self.last_event() - event))

    def pause(self, seconds: float) -> None:
        """Take the write lock, which everybody else waits for (`database.busy_seconds`)."""
        self._db.set_busy_timeout(int(seconds * 1_000))
        try:
            self._db.execute("begin immediate")
        except apsw.Error as error:
            raise trouble(error) from error
        finally:
            self._db.set_busy_timeout(_WAIT_MILLISECONDS)

    def resume(self) -> None:
        """Give the lock back."""
        if self._db.in_transaction:
            self._db.execute("rollback")

    def seal(self, place: str) -> None:
        """Put up the fence and commit it."""
        self._drop_capture()
        fence(self._db, place)
        self._db.execute("commit")

    def release(self) -> None:
        """Remove triggers and what they wrote."""
        with self._writing():
            self._drop_capture()

    def _changed(self, table: Table, after: int) -> dict[Key, Row | None]:
        keys = _KEYS[: len(table.key)]
        on = " and ".join(f't."{name}" = m.{key}' for name, key in zip(table.key, keys, strict=True))
        moved = f"select distinct {', '.join(keys)} from armature_moved where seq > ? and name = ?"
        asked = f"{', '.join(f'm.{key}' for key in keys)}, {_columns(table)}"
        sql = f'select {asked} from ({moved}) m left join "{table.name}" t on {on}'
        found = self._all(sql, (after, table.name))
        width, first = len(keys), len(keys) + table.names.index(table.key[0])
        words = {column.name: column.word for column in table.columns}
        gone: dict[Key, Row | None] = {
            tuple(_value(words[name], value) for name, value in zip(table.key, row, strict=False)): None
            for row in found
            if row[first] is None
        }
        there = _loaded(table, [row[width:] for row in found if row[first] is not None])
        return {**gone, **dict(zip(table.keys_of(there), there, strict=True))}

    def _drop_capture(self) -> None:
        for (name,) in self._all(_TRIGGERS):
            self._db.execute(f'drop trigger "{name}"')
        self._db.execute("drop table if exists armature_moved")

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            self._db.execute("begin immediate")
            yield
            self._db.execute("commit")
        except apsw.Error as error:
            raise trouble(error) from error
        finally:
            self.resume()


def _capturing(table: Table) -> Iterator[str]:
    name, into = table.name, f"insert into armature_moved (name, {', '.join(_KEYS[: len(table.key)])})"
    new, old = (f"{into} select '{name}', {_of(row, table.key)};" for row in ("new", "old"))
    for what, does in (("insert", new), ("delete", old), ("update", f"{old} {new}")):
        yield f'create trigger if not exists "armature_capture_{what}_{name}" after {what} on "{name}" begin {does} end'


def _of(row: str, names: Sequence[str]) -> str:
    return ", ".join(f'{row}."{name}"' for name in names)


def _columns(table: Table) -> str:
    return ", ".join('id as "position"' if table.name == _LOG and name == "position" else f'"{name}"' for name in table.names)


def _names(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" for _ in values)


def _stored(key: Key) -> tuple[Any, ...]:
    # A driver's own kind of UUID comes back from the other side.
    return tuple(value.bytes if isinstance(value, UUID) else value if type(value) in PLAIN else store(value) for value in key)


def _value(word: str, value: Any) -> Any:
    return value if value is None or word not in _LOADERS else _LOADERS[word](value)


def _loaded(table: Table, rows: Sequence[Sequence[Any]]) -> list[Row]:
    loads = [(at, _LOADERS[column.word]) for at, column in enumerate(table.columns) if column.word in _LOADERS]
    if not loads:
        return [tuple(row) for row in rows]
    found = []
    for row in rows:
        made = list(row)
        for at, load in loads:
            if made[at] is not None:
                made[at] = load(made[at])
        found.append(tuple(made))
    return found
