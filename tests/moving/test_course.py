"""The course of a promotion in seeded worlds: writers act between any two steps, and the process dies anywhere and is run again.

However it goes, after the switch both sides hold the same rows, every acknowledged event is in the target under its own id, and
the numbers go on behind the last one.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from armature.adapters.sqlite.migrator import SqliteMigrator
from armature.engine.migrations import migrate
from armature.engine.moving import LOG as LOG_NAME
from armature.engine.moving import STAYS, TRAVELS, Limits, Moved, abort, promote
from armature.ports.migrator import SchemaRefused
from armature.ports.moving import Changes, Column, Key, Moving, Row, Table
from tests.moving.memory import LOG, ROWS, TABLES, Died, MemorySource, World, told

LIMITS = Limits(chunk_rows=7, remainder_max=5)


def moved(world: World) -> Moved:
    """Run a promotion until it ends, however often it dies."""
    for _ in range(2_000):
        try:
            return promote(world.source, world.target, "there", LIMITS, told)
        except Died:
            continue
    raise AssertionError("it never came to an end")


def judge(world: World) -> None:
    """Compare both sides after the switch."""
    for table in TABLES:
        assert world.target.stored[table] == world.source.stored[table], table.name
    assert sorted(id for (id,) in world.target.stored[LOG]) == list(range(1, world.source.events + 1))
    assert (world.target.of, world.target.next) == (Moving("log", 2), world.source.events + 1)
    assert world.target.under_way is None


@pytest.mark.parametrize("seed", range(60))
def test_nothing_is_lost_between_a_snapshot_and_the_switch(seed: int) -> None:
    world = World(seed, rows=40, deaths=0.0)
    done = moved(world)
    assert world.source.place == "there"
    assert done.followed
    judge(world)


@pytest.mark.parametrize("seed", range(60))
def test_a_promotion_that_dies_anywhere_is_finished_by_the_next_run(seed: int) -> None:
    world = World(seed, rows=40, deaths=0.02)
    moved(world)
    judge(world)
    world.writes()
    assert world.refused, "the old side takes no writes any more"


@pytest.mark.parametrize("seed", range(20))
def test_a_promotion_is_undone_as_long_as_it_has_not_switched(seed: int) -> None:
    world = World(seed, rows=40, deaths=0.05)
    for _ in range(seed):
        try:
            promote(world.source, world.target, "there", LIMITS, told)
        except Died:
            continue
    if world.source.place is not None:
        with pytest.raises(SchemaRefused, match="no way back"):
            abort(world.source, world.target)
        return
    while True:
        try:
            abort(world.source, world.target)
            break
        except Died:
            continue
    assert world.source.moved is None
    assert not any(world.target.stored.values())
    moved(world)
    judge(world)


def test_a_second_run_says_that_all_is_done() -> None:
    world = World(1, rows=3, deaths=0.0)
    assert not moved(world).already
    assert moved(world).already
    with pytest.raises(SchemaRefused, match="it was promoted to there"):
        promote(world.source, world.target, "elsewhere", LIMITS, told)


def test_a_target_with_rows_is_refused_before_anything_is_touched() -> None:
    world = World(1, rows=3, deaths=0.0)
    world.target.stored[ROWS][1,] = (1, 1)
    with pytest.raises(SchemaRefused, match="not empty: box_things"):
        moved(world)
    assert world.source.moved is None


def test_the_promotion_of_another_log_is_not_gone_on_with() -> None:
    world = World(1, rows=3, deaths=0.0)
    world.target.begin(Moving("other", 1), TABLES)
    with pytest.raises(SchemaRefused, match="of the log other"):
        moved(world)


class Deaf(MemorySource):
    """A source that misses changes of one table."""

    def changes(self, tables: list[Table], log: Table, after: int, event: int) -> Changes:  # type: ignore[override]
        found = super().changes(tables, log, after, event)
        return Changes(found.seq, {table: rows for table, rows in found.rows.items() if table != ROWS}, found.events)


@pytest.mark.parametrize("seed", range(10))
def test_a_change_that_was_not_captured_stops_the_switch(seed: int) -> None:
    world = World(seed, rows=40, deaths=0.0)
    deaf = Deaf(world.passes)
    deaf.stored, deaf.events = world.source.stored, world.source.events
    world.source = deaf
    with pytest.raises(SchemaRefused, match="nothing was switched"):
        moved(world)
    assert deaf.place is None
    assert not deaf.paused


def test_writers_are_let_go_when_the_last_changes_take_too_long() -> None:
    world = World(1, rows=10, deaths=0.0)
    limits = Limits(chunk_rows=7, remainder_max=5, pause_seconds=0.0, pauses_max=3)
    with pytest.raises(SchemaRefused, match="could not be taken within 0 s, 3 times"):
        promote(world.source, world.target, "there", limits, told)
    assert world.source.place is None
    assert not world.source.paused


def test_json_is_compared_as_a_value() -> None:
    world = World(1, rows=3, deaths=0.0)
    table = Table("box_notes", (Column("id", "bigint"), Column("note", "jsonb")), ("id",))
    rows: dict[Key, Row] = {(1,): (1, '{"a":1,"b":[]}'), (2,): (2, None)}
    world.source.stored[table] = dict(rows)
    world.target.stored[table] = {}
    world.source.tables = world.target.tables = lambda: [*TABLES, table]  # type: ignore[method-assign]
    fill = world.target.fill

    def engines_own_words(into: Table, given: list[Row]) -> None:
        fill(into, [(id, note and '{"b": [], "a": 1}') for id, note in given] if into == table else given)

    world.target.fill = engines_own_words  # type: ignore[method-assign, assignment]
    assert moved(world).compared


def test_every_table_of_the_framework_either_travels_or_stays(tmp_path: Path) -> None:
    file = tmp_path / "armature.db"
    migrate(SqliteMigrator(file), [])
    with closing(sqlite3.connect(file)) as db:
        there = {name for (name,) in db.execute("select name from sqlite_schema where type = 'table'")}
    only_on_postgres = {"armature_head"}
    assert {name for name in there if name.startswith("armature_")} | only_on_postgres == TRAVELS | STAYS
    assert LOG_NAME in TRAVELS
    assert not TRAVELS & STAYS
