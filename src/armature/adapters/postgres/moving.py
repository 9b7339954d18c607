"""A PostgreSQL database as the target of a promotion: filled by COPY, as the owner of the tables.

One row in a table that exists only meanwhile says whose promotion is under way and how far it is; it is written in the
transaction whose data it speaks of. While that table is there, `fitness` lets nobody serve from the database.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import asyncpg
import msgspec

from armature.adapters.postgres.fitness import STANDING, Standing
from armature.adapters.postgres.migration import troubled
from armature.adapters.postgres.session import Session
from armature.kernel.refusals import Unavailable
from armature.ports.migrator import SchemaRefused, Trouble
from armature.ports.moving import Changes, Column, Key, Moving, Row, State, Table

__all__ = ["PostgresTarget"]

_LOCK = 0x41726D50726F6D6F  # "ArmPromo": one promotion at a time
_PROMOTION = """
create table armature_promotion (
    one smallint not null primary key check (one = 1), log text not null, epoch bigint not null, stage text not null,
    seq bigint not null, indexes jsonb not null, links jsonb not null
)
"""
_UNDER_WAY = "select to_regclass('armature_promotion') is not null"
_COLUMNS = """
select c.relname::text, a.attname::text, format_type(a.atttypid, null),
       (select array_position(i.indkey::int[], a.attnum::int) from pg_index i where i.indrelid = c.oid and i.indisprimary)
  from pg_class c
  join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
 where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p')
 order by c.relname, a.attnum
"""
_WORDS = {
    "uuid": "uuid",
    "text": "text",
    "bigint": "bigint",
    "integer": "bigint",
    "smallint": "bigint",
    "double precision": "double",
    "boolean": "boolean",
    "timestamp with time zone": "timestamptz",
    "jsonb": "jsonb",
    "bytea": "bytea",
}
_INDEXES = """
select c.relname::text, pg_get_indexdef(i.indexrelid)
  from pg_index i
  join pg_class c on c.oid = i.indexrelid
  join pg_class t on t.oid = i.indrelid
 where t.relname = any($1) and t.relnamespace = current_schema()::regnamespace and not i.indisprimary
   and not exists (select 1 from pg_constraint k where k.conindid = i.indexrelid and k.contype in ('p', 'u', 'x'))
"""
_LINKS = """
select c.conrelid::regclass::text, quote_ident(c.conname), pg_get_constraintdef(c.oid)
  from pg_constraint c
  join pg_class t on t.oid = c.conrelid
 where t.relname = any($1) and t.relnamespace = current_schema()::regnamespace
   and c.contype in ('f', 'u')
 order by c.contype
"""
_FORCED = "select relname::text from pg_class where relname = any($1) and relforcerowsecurity"


class PostgresTarget:
    """A `Target` on the database of `url`, which is its owner's. Only one may be at work."""

    def __init__(self, url: str) -> None:
        settings = {"application_name": "armature promote", "statement_timeout": "0", "app.migrating": "on"}
        self.until: float | None = None
        try:
            self._session = Session(url, **settings, lock_timeout="10s", timezone="UTC")
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            raise troubled("target", 0, error) from error
        self._session.until = lambda: self.until
        if not self._session.rows("select pg_try_advisory_lock($1)", _LOCK)[0][0]:
            self._session.close()
            raise Unavailable(what="target: another promotion to this database is at work; wait for it or stop it")
        # What a start would refuse is refused now: after the switch there is no way back.
        if troubles := list(Standing(*self._session.rows(STANDING)[0]).troubles()):
            self._session.close()
            raise SchemaRefused(*(Trouble("target", 0, text, cure) for text, cure in troubles))
        self._types: dict[tuple[str, str], str] = {}

    def close(self) -> None:
        """Let go."""
        self._session.close()

    def identity(self) -> Moving:
        """Return which log this is."""
        return Moving(*self._session.rows("select log, epoch from armature_log")[0])

    def applied(self) -> set[tuple[str, int, str]]:
        """Return the migrations."""
        return {(row[0], row[1], row[2]) for row in self._session.rows("select module, number, name from armature_migrations")}

    def tables(self) -> list[Table]:
        """Return all tables, with the words of their columns."""
        found: dict[str, list[tuple[str, str, int | None]]] = {}
        for table, column, kind, place in self._session.rows(_COLUMNS):
            found.setdefault(table, []).append((column, kind, place))
            self._types[table, column] = kind
        return [_table(name, columns) for name, columns in found.items()]

    def state(self) -> State | None:
        """Return the promotion under way."""
        if not self._session.rows(_UNDER_WAY)[0][0]:
            return None
        log, epoch, stage, seq = self._session.rows("select log, epoch, stage, seq from armature_promotion")[0]
        return State(Moving(log, epoch), stage, seq)

    def begin(self, of: Moving, tables: Sequence[Table]) -> None:
        """Make ready: no row security that binds the owner, no indexes and links that a half copied state would break."""
        names = [table.name for table in tables]
        with self._transaction():
            if self.state() is None:
                indexes = self._session.rows(_INDEXES, names)
                links = self._session.rows(_LINKS, names)
                self._session.run(_PROMOTION)
                put = "insert into armature_promotion values (1, $1, $2, 'copying', 0, $3, $4)"
                self._session.run(
                    put, of.log, of.epoch, _json([text for _, text in indexes]), _json([_link(*one) for one in reversed(links)])
                )
                for table, name, _ in links:
                    self._session.run(f"alter table {table} drop constraint {name}")
                for name, _ in indexes:
                    self._session.run(f'drop index "{name}"')
            for (name,) in self._session.rows(_FORCED, names):
                self._session.run(f'alter table "{name}" no force row level security')

    def fill(self, table: Table, rows: Sequence[Row]) -> None:
        """Copy rows in; one COPY is one transaction."""
        try:
            self._session.copy(table.name, table.names, rows)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, ValueError) as error:
            raise troubled(f"target: {table.name}", 0, error) from error

    def last(self, table: Table) -> Key | None:
        """Return the highest key there is."""
        down = ", ".join(f'"{name}" desc' for name in table.key)
        found = self._session.rows(f'select {_names(table.key)} from "{table.name}" order by {down} limit 1')
        return found[0] if found else None

    def take(self, changes: Changes, log: Table) -> None:
        """Delete what changed and write what is there now: each state of unique columns is then passed without a clash."""
        with self._transaction():
            for table, rows in changes.rows.items():
                self._remove(table, list(rows))
            for table, rows in changes.rows.items():
                self.fill(table, [row for row in rows.values() if row is not None])
            self.fill(log, changes.events)
            self._session.run("update armature_promotion set seq = $1", changes.seq)

    def complete(self) -> None:
        """Build the indexes, and let the planner know the tables."""
        with self._transaction():
            for sentence in self._kept("indexes"):
                self._session.run(sentence)
            self._session.run("update armature_promotion set stage = 'following'")
        self._session.run("analyze")

    def between(self, table: Table, after: Key | None, upto: Key | None) -> list[Row]:
        """Return the rows of a range."""
        key = f"({_names(table.key)})"
        values: list[Any] = []
        conditions: list[str] = []
        for sign, bound in ((">", after), ("<=", upto)):
            if bound is not None:
                marks = ", ".join(f"${len(values) + at}" for at in range(1, len(bound) + 1))
                conditions.append(f"{key} {sign} ({marks})")
                values += bound
        where = f"where {' and '.join(conditions)}" if conditions else ""
        return self._session.rows(f'select {_names(table.names)} from "{table.name}" {where}', *values)

    def rows(self, table: Table, keys: Sequence[Key]) -> dict[Key, Row]:
        """Return the rows of these keys that exist."""
        if not keys:
            return {}
        columns = ", ".join(f't."{name}"' for name in table.names)
        sql = f'select {columns} from "{table.name}" t join {self._given(table)} on {_same(table)}'
        rows = self._session.rows(sql, *_arrays(keys))
        return dict(zip(table.keys_of(rows), rows, strict=True))

    def count(self, table: Table) -> int:
        """Return how many rows there are."""
        return int(self._session.rows(f'select count(*) from "{table.name}"')[0][0])

    def finish(self, of: Moving, last: int, head: int | None = None) -> None:
        """Put links back, and let the log go on behind `last`; marks of consumers keep their meaning, since ids are kept.

        `head` is the last position where that is not the last id: of a log that was numbered late.
        """
        head = last if head is None else head
        with self._transaction():
            for sentence in self._kept("links"):
                self._session.run(sentence)
            self._session.run("select setval(pg_get_serial_sequence('armature_outbox', 'id'), $1, $2)", max(last, 1), last > 0)
            self._session.run("update armature_head set last = $1", head)
            mine = "update armature_consumers set epoch = $1 where log = $2 and position <= $3"
            self._session.run(mine, of.epoch, of.log, head)
            self._session.run("update armature_log set log = $1, epoch = $2", of.log, of.epoch)
            self._session.run("drop table armature_promotion")

    def abandon(self, tables: Sequence[Table]) -> None:
        """Empty the tables, put back what was lifted."""
        with self._transaction():
            following = self._session.rows("select stage from armature_promotion")[0][0] == "following"
            self._session.run(f"truncate {_names([table.name for table in tables])}")
            for sentence in [*([] if following else self._kept("indexes")), *self._kept("links")]:
                self._session.run(sentence)
            self._session.run("drop table armature_promotion")

    def _kept(self, column: str) -> list[str]:
        (text,) = self._session.rows(f"select {column} from armature_promotion")[0]
        return msgspec.json.decode(text, type=list[str])

    def _remove(self, table: Table, keys: Sequence[Key]) -> None:
        if keys:
            self._session.run(f'delete from "{table.name}" t using {self._given(table)} where {_same(table)}', *_arrays(keys))

    def _given(self, table: Table) -> str:
        arrays = ", ".join(f"${at}::{self._types[table.name, name]}[]" for at, name in enumerate(table.key, 1))
        return f"unnest({arrays}) as k ({_names(table.key)})"

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._session.run("begin")
            yield
            self._session.run("commit")
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, ValueError) as error:
            raise troubled("target", 0, error) from error
        finally:
            if self._session.in_transaction:
                self._session.run("rollback")


def _table(name: str, found: Sequence[tuple[str, str, int | None]]) -> Table:
    columns = tuple(Column(column, _WORDS.get(kind, "")) for column, kind, _ in found)
    places = sorted((place, column) for column, _, place in found if place is not None)
    return Table(name, columns, tuple(column for _, column in places))


def _link(table: str, name: str, definition: str) -> str:
    return f"alter table {table} add constraint {name} {definition}"


def _json(texts: Sequence[str]) -> str:
    return msgspec.json.encode(texts).decode()


def _arrays(keys: Sequence[Key]) -> list[list[Any]]:
    return [list(values) for values in zip(*keys, strict=True)]


def _same(table: Table) -> str:
    return " and ".join(f't."{name}" = k."{name}"' for name in table.key)


def _names(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
