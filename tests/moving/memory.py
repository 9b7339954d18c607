"""Both ports of a promotion in memory, with a world that acts between any two steps: writers write, and the process dies.

What a step does is whole or not at all, as the ports' laws say; a death between two steps loses all that the course remembers.
"""

import random
from collections.abc import Callable, Sequence
from typing import Any

from armature.kernel.refusals import Unavailable
from armature.ports.moving import Changes, Column, Key, Moving, Row, State, Table

LOG = Table("armature_outbox", (Column("id", "bigint"), Column("position", "bigint"), Column("payload", "text")), ("id",))
ROWS = Table("box_things", (Column("id", "bigint"), Column("value", "bigint")), ("id",))
ANSWERS = Table(
    "armature_keys", (Column("tenant_id", "text"), Column("scope", "bigint"), Column("outcome", "text")), ("tenant_id", "scope")
)
TABLES = [ANSWERS, LOG, ROWS]


class Died(Exception):
    """The process was killed here."""


class World:
    """Writers and deaths by a seed. `acknowledged` is what writers were told: the event's id and the row's value then."""

    def __init__(self, seed: int, *, rows: int, deaths: float) -> None:
        self.random = random.Random(seed)
        self.source = MemorySource(self.passes)
        self.target = MemoryTarget(self.passes)
        self._deaths = deaths
        self._lives = 10
        """Writers go on meanwhile, so a process that may die for ever need not come to an end."""
        self.refused = 0
        for id in range(rows):
            self.source.write(id, 0)

    def passes(self) -> None:
        """Let the world act: this is called before and after each step."""
        for _ in range(self.random.choice((0, 0, 1, 3))):
            self.writes()
        if self._lives and self.random.random() < self._deaths:
            self._lives -= 1
            self.source.resume_silently()
            raise Died

    def writes(self) -> None:
        """Let one writer change, add or remove a row."""
        if self.source.paused:
            return
        if self.source.place is not None:
            self.refused += 1
            return
        ids = [key[0] for key in self.source.stored[ROWS]]
        kind = self.random.random()
        if kind < 0.2 or not ids:
            self.source.write(self.random.randrange(-500, 500), 1)
        elif kind < 0.3:
            self.source.delete(self.random.choice(ids))
        else:
            self.source.write(self.random.choice(ids), self.random.randrange(1_000))


class MemorySource:
    def __init__(self, passes: Callable[[], None]) -> None:
        self._passes = passes
        self.stored: dict[Table, dict[Key, Row]] = {table: {} for table in TABLES}
        self.moved: list[tuple[Table, Key]] | None = None
        self.paused = False
        self.place: str | None = None
        self.events = 0

    def write(self, id: int, value: int) -> None:
        self._put(ROWS, (id, value))
        self.events += 1
        self._put(LOG, (self.events, self.events, f"{id}={value}"))
        self._put(ANSWERS, ("t", self.events, str(value)))

    def delete(self, id: int) -> None:
        del self.stored[ROWS][id,]
        if self.moved is not None:
            self.moved.append((ROWS, (id,)))

    def _put(self, table: Table, row: Row) -> None:
        (key,) = table.keys_of([row])
        self.stored[table][key] = row
        if self.moved is not None and table != LOG:
            self.moved.append((table, key))

    def resume_silently(self) -> None:
        self.paused = False

    def identity(self) -> Moving:
        return Moving("log", 1)

    def applied(self) -> set[tuple[str, int, str]]:
        return {("armature", 1, "foundation")}

    def tables(self) -> list[Table]:
        return list(TABLES)

    def sealed(self) -> str | None:
        return self.place

    def capture(self, tables: Sequence[Table]) -> None:
        self._passes()
        self.moved = self.moved or []
        self._passes()

    def chunk(self, table: Table, after: Key | None, limit: int) -> list[Row]:
        self._passes()
        keys = sorted(key for key in self.stored[table] if after is None or key > after)
        return [self.stored[table][key] for key in keys[:limit]]

    def rows(self, table: Table, keys: Sequence[Key]) -> dict[Key, Row]:
        return {key: self.stored[table][key] for key in keys if key in self.stored[table]}

    def changes(self, tables: Sequence[Table], log: Table, after: int, event: int) -> Changes:
        self._passes()
        rows: dict[Table, dict[Key, Row | None]] = {}
        for table, key in (self.moved or [])[after:]:
            rows.setdefault(table, {})[key] = self.stored[table].get(key)
        events = [row for (id,), row in sorted(self.stored[LOG].items()) if id > event]
        return Changes(len(self.moved or []), rows, events)

    def waiting(self, after: int, event: int) -> int:
        return len(self.moved or []) - after + self.events - event

    def count(self, table: Table) -> int:
        return len(self.stored[table])

    def last_event(self) -> int:
        return self.events

    def pause(self, seconds: float) -> None:
        self._passes()
        if self.paused:
            raise Unavailable(what="somebody else writes")
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    def seal(self, place: str) -> None:
        self._passes()
        self.place, self.paused, self.moved = place, False, None
        self._passes()

    def release(self) -> None:
        self.moved = None


class MemoryTarget:
    until: float | None = None

    def __init__(self, passes: Callable[[], None]) -> None:
        self._passes = passes
        self.stored: dict[Table, dict[Key, Row]] = {table: {} for table in TABLES}
        self.under_way: State | None = None
        self.of = Moving("own", 1)
        self.next = 1

    def identity(self) -> Moving:
        return self.of

    def applied(self) -> set[tuple[str, int, str]]:
        return {("armature", 1, "foundation")}

    def tables(self) -> list[Table]:
        return list(TABLES)

    def state(self) -> State | None:
        return self.under_way

    def begin(self, of: Moving, tables: Sequence[Table]) -> None:
        self._passes()
        self.under_way = self.under_way or State(of, "copying", 0)

    def fill(self, table: Table, rows: Sequence[Row]) -> None:
        self._passes()
        for key, row in zip(table.keys_of(rows), rows, strict=True):
            assert key not in self.stored[table], f"{table.name} {key} was copied twice"
            self.stored[table][key] = row

    def last(self, table: Table) -> Key | None:
        held = self.stored[LOG if table.name == LOG.name else table]
        return max(held) if held else None

    def take(self, changes: Changes, log: Table) -> None:
        self._passes()
        assert self.under_way is not None
        for table, rows in changes.rows.items():
            for key, row in rows.items():
                self.stored[table].pop(key, None)
                if row is not None:
                    self.stored[table][key] = row
        self.stored[log].update(zip(log.keys_of(changes.events), changes.events, strict=True))
        self.under_way = State(self.under_way.of, self.under_way.stage, changes.seq)

    def complete(self) -> None:
        self._passes()
        assert self.under_way is not None
        self.under_way = State(self.under_way.of, "following", self.under_way.seq)

    def between(self, table: Table, after: Key | None, upto: Key | None) -> list[Row]:
        held = sorted(self.stored[table].items())
        return [row for key, row in held if (after is None or key > after) and (upto is None or key <= upto)]

    def rows(self, table: Table, keys: Sequence[Key]) -> dict[Key, Row]:
        return {key: self.stored[table][key] for key in keys if key in self.stored[table]}

    def count(self, table: Table) -> int:
        return len(self.stored[table])

    def finish(self, of: Moving, last: int) -> None:
        self._passes()
        self.of, self.next, self.under_way = of, last + 1, None
        self._passes()

    def abandon(self, tables: Sequence[Table]) -> None:
        self._passes()
        self.stored = {table: {} for table in TABLES}
        self.under_way = None


def told(_: Any) -> None:
    """Progress that nobody watches."""
