"""The seam for moving an installation to another database while it serves: what the old one tells, and the new one takes.

Laws:
 1. A row is a tuple of Python values in the order of its table's columns (UUID, UTC datetime, bool, int, float, str, bytes;
    jsonb as text); a key is the values of the key's columns, in the key's order.
 2. After `capture` has returned, no change of a captured table's row escapes `changes`, whoever makes it, until `release` or
    `seal`; the system that serves needs to know nothing.
 3. `changes` tells of rows and events as of one state: what was captured after `seq` is in no row of it.
 4. Each verb of the target that writes is one transaction: killed, it happened whole or not at all.
 5. Between `pause` and `resume` or `seal` nobody writes the source; reads go on.
 6. `seal` is the moment of the switch: either the source refuses writes from then on and says where the data went, or
    nothing has happened. It is never undone.
 7. While a promotion is under way, the target is refused to whoever would serve from it.

The port is synchronous: it belongs to a command of its own, in a process of its own.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct

__all__ = ["Changes", "Column", "Copy", "Feed", "Key", "Moving", "Row", "Side", "Source", "State", "Table", "Target"]

Row = tuple[Any, ...]
Key = tuple[Any, ...]


class Column(Struct, frozen=True):
    """A column; `word` is a portable column word, empty where the engine does not know it (SQLite)."""

    name: str
    word: str = ""


class Table(Struct, frozen=True):
    """A table with its columns; `key` names those of its primary key, in their order."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names."""
        return tuple(column.name for column in self.columns)

    def keys_of(self, rows: Sequence[Row]) -> list[Key]:
        """Return the keys of rows, in their order."""
        at = [self.names.index(name) for name in self.key]
        return [tuple([row[place] for place in at]) for row in rows]


class Moving(Struct, frozen=True):
    """Which log a database holds."""

    log: str
    epoch: int


class Changes(Struct):
    """What changed after a `seq`: for each table its rows by key, None where the row is gone; and the events after an id."""

    seq: int
    rows: Mapping[Table, Mapping[Key, Row | None]]
    events: Sequence[Row]

    def __len__(self) -> int:
        return sum(map(len, self.rows.values())) + len(self.events)


class State(Struct, frozen=True):
    """A promotion as its target remembers it: whose, `copying` or `following`, and the changes it has taken up to `seq`."""

    of: Moving
    stage: str
    seq: int


class Side(Protocol):
    """What both databases tell of themselves."""

    def identity(self) -> Moving:
        """Return which log this is."""
        ...

    def applied(self) -> set[tuple[str, int, str]]:
        """Return the migrations: module, number, name."""
        ...

    def tables(self) -> list[Table]:
        """Return all tables; the target's columns with their words."""
        ...

    def rows(self, table: Table, keys: Sequence[Key]) -> dict[Key, Row]:
        """Return the rows of these keys that exist."""
        ...

    def count(self, table: Table) -> int:
        """Return how many rows there are."""
        ...


class Feed(Side, Protocol):
    """The database that is left, as it is read and followed while it serves."""

    def sealed(self) -> str | None:
        """Return where the data went, None while it is here."""
        ...

    def last_event(self) -> int:
        """Return the highest id that an event ever had; 0 for none."""
        ...

    def chunk(self, table: Table, after: Key | None, limit: int) -> list[Row]:
        """Return the next rows in the order of the key."""
        ...

    def capture(self, tables: Sequence[Table]) -> None:
        """Write down each change of these tables' rows from now on; a second call changes nothing."""
        ...

    def changes(self, tables: Sequence[Table], log: Table, after: int, event: int) -> Changes:
        """Return what was captured after `after` as it is now, and the rows of `log` behind `event`."""
        ...

    def waiting(self, after: int, event: int) -> int:
        """Return about how many changes and events there are behind `after` and `event`."""
        ...

    def release(self) -> None:
        """Stop capturing, and leave nothing behind."""
        ...


class Source(Feed, Protocol):
    """The database that is left. It goes on serving until `seal`."""

    def pause(self, seconds: float) -> None:
        """Keep everybody from writing; raise `Unavailable` when that is not to be had within `seconds`."""
        ...

    def resume(self) -> None:
        """End a pause with nothing changed."""
        ...

    def seal(self, place: str) -> None:
        """End a pause for good: refuse all writes from now on, and name the place where the data went."""
        ...


class Copy(Side, Protocol):
    """The rows that have been moved so far."""

    def fill(self, table: Table, rows: Sequence[Row]) -> None:
        """Append rows."""
        ...

    def last(self, table: Table) -> Key | None:
        """Return the highest key there is."""
        ...

    def take(self, changes: Changes, log: Table) -> None:
        """Put each row to what the changes say, append the events, remember the `seq`: together."""
        ...

    def between(self, table: Table, after: Key | None, upto: Key | None) -> list[Row]:
        """Return the rows behind one key, up to and with another; None is an open end."""
        ...


class Target(Copy, Protocol):
    """The database that is moved to. Its schema is migrated, and it holds nothing but this promotion."""

    until: float | None
    """When a call has to have ended, by the monotonic clock, since writers wait for it; one that takes longer raises
    `Unavailable`, and the target is used no more. None: it takes as long as it takes."""

    def state(self) -> State | None:
        """Return the promotion that is under way, None when there is none."""
        ...

    def begin(self, of: Moving, tables: Sequence[Table]) -> None:
        """Begin a promotion, or make ready to go on with it: empty tables, without what would slow or refuse a copy."""
        ...

    def complete(self) -> None:
        """Put indexes back: from now on the rows are always those of one state."""
        ...

    def finish(self, of: Moving, last: int) -> None:
        """End the promotion: this is the log `of`, and the next event comes after id and position `last`."""
        ...

    def abandon(self, tables: Sequence[Table]) -> None:
        """Empty the tables and forget the promotion."""
        ...
