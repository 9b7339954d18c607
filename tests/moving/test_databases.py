"""A promotion between a real SQLite file and a real PostgreSQL: every kind of column, every change, and refusals in words."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import apsw
import pytest

from armature.adapters.postgres.backup import save_database, turn_database
from armature.adapters.postgres.migrator import PostgresMigrator
from armature.adapters.postgres.moving import PostgresTarget
from armature.adapters.postgres.session import Session, connected
from armature.adapters.sqlite.moving import SqliteSource
from armature.engine.migrations import migrate
from armature.engine.moving import Limits, Progress, abort, promote
from armature.kernel.refusals import Unavailable
from armature.ports.migrator import SchemaRefused
from armature.testing.servers import LocalPostgres
from tests.moving.box import KINDS, Box

pytestmark = pytest.mark.slow
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.fixture
def box(tmp_path: Path, postgres_url: str) -> Box:
    """Both sides, the file filled."""
    made = Box(tmp_path, postgres_url)
    made.fill(shelves=10, things=250)
    return made


def test_every_kind_of_column_arrives_as_it_was(box: Box) -> None:
    moved = box.promote()
    assert (moved.copied, moved.compared, moved.head) == (510, 510, 250)
    things = box.there("select number, shelf, weight, fragile, at, about, picture from box_things order by number")
    asked = "select number, shelf, weight, fragile, at, about, picture from box_things order by number"
    for there, here in zip(things, box.here(asked), strict=True):
        number, shelf, weight, fragile, at, about, picture = here
        assert there[:1] + there[2:3] == (number, weight)
        assert there[1].bytes == shelf  # type: ignore[attr-defined]
        assert there[3:] == (bool(fragile), _EPOCH + timedelta(microseconds=int(at)), there[5], picture)  # type: ignore[call-overload]
        assert str(there[5]).replace(" ", "") in (str(about), f'{{"a":[],"n":{number}}}')


def test_events_keep_id_and_position_and_the_log_goes_on_behind_them(box: Box) -> None:
    ((log, epoch),) = box.here("select log, epoch from armature_log")
    box.promote()
    there = box.there("select id, position, event_id, stream from armature_outbox order by id")
    here = box.here("select id, id, event_id, stream from armature_outbox order by id")
    assert [(id, position, event.bytes, stream) for id, position, event, stream in there] == here  # type: ignore[attr-defined]
    assert box.there("select log, epoch from armature_log") == [(log, int(str(epoch)) + 1)]
    assert box.there("select last from armature_head") == [(250,)]
    assert box.there("select nextval('armature_outbox_id_seq')") == [(251,)]


def test_changes_meanwhile_are_followed_whatever_they_are(box: Box) -> None:
    done: set[str] = set()

    def meanwhile(progress: Progress) -> None:
        # Once in each stage, between two steps.
        if progress.stage in done:
            return
        done.add(progress.stage)
        n = 1_000 + len(done)
        shelf = f"(select id from box_shelves where name = 'shelf {len(done)}')"
        box.write(
            f"update box_things set weight = {n}, about = '{{\"b\":1}}' where number = {len(done)}",
            f"delete from box_things where number = {200 + len(done)}",
            f"insert into box_things values ('t', {n}, {shelf}, null, 0, null, null, null)",
            f"update box_things set number = {n + 5_000} where number = {210 + len(done)}",
            # Two swap a unique name: no order of single writes could take that over.
            "update box_shelves set name = 'free' where name = 'shelf 5'",
            "update box_shelves set name = 'shelf 5' where name = 'shelf 6'",
            "update box_shelves set name = 'shelf 6' where name = 'free'",
        )
        box.tell(n)

    moved = box.promote(tell=meanwhile)
    assert done == {"copy", "follow", "compare"}
    assert moved.followed
    for table, columns in (("box_things", "number, weight"), ("box_shelves", "name")):
        sql = f"select {columns} from {table} order by 1"
        assert box.there(sql) == box.here(sql)
    names = {bytes(id.bytes): name for id, name in box.there("select id, name from box_shelves")}  # type: ignore[attr-defined]
    assert names == dict(box.here("select id, name from box_shelves"))  # type: ignore[arg-type]
    assert box.there("select count(*), max(position) from armature_outbox") == [(253, 253)]


def test_indexes_links_and_walls_are_back_afterwards(box: Box) -> None:
    sql = """
    select 'index', indexdef from pg_indexes where schemaname = 'public'
    union all select 'link', pg_get_constraintdef(oid) from pg_constraint where connamespace = 'public'::regnamespace
    union all select 'wall', relname || relforcerowsecurity::text from pg_class where relkind = 'r' and relname like 'box%'
     order by 1, 2
    """
    before = box.there(sql)
    assert {kind for kind, _ in before} == {"index", "link", "wall"}
    box.promote()
    migrate(PostgresMigrator(box.url, kinds=KINDS), box.modules)
    assert box.there(sql) == before


class Stuck(SqliteSource):
    """Its target answers no more from the moment on that writers are kept waiting."""

    held: Session

    def pause(self, seconds: float) -> None:
        super().pause(seconds)
        self.held.run("begin; lock table box_things in access exclusive mode")


def test_writers_are_let_go_when_the_target_does_not_answer_and_the_next_run_goes_on(box: Box) -> None:
    with closing(Stuck(box.file)) as source, closing(PostgresTarget(box.url)) as target, connected(box.url) as source.held:
        with pytest.raises(SchemaRefused, match=r"target: it did not answer within the 0.5 s that writers wait; they go on"):
            promote(source, target, "there", Limits(pause_seconds=0.5), lambda _: None)
        box.write("update box_things set weight = 77 where number = 3")  # and the target is still stuck
        assert source.sealed() is None
    assert box.promote().copied == 0
    assert box.there("select weight from box_things where number = 3") == [(77.0,)]


def test_after_the_switch_the_file_refuses_every_write_and_names_the_place(box: Box) -> None:
    box.promote("postgresql://there/db")
    for sentence in ("update box_things set weight = 1", "delete from box_things where number = 1"):
        with pytest.raises(apsw.ConstraintError, match="armature: promoted"):
            box.write(sentence)
    with box.ends() as (source, _):
        assert source.sealed() == "postgresql://there/db"


def test_a_target_with_rows_is_refused(box: Box) -> None:
    box.there("insert into box_shelves values ('t', gen_random_uuid(), 'x') returning 1")
    with pytest.raises(SchemaRefused, match="it is not empty: box_shelves has rows; name an empty database"):
        box.promote()


def test_a_migration_on_one_side_only_is_refused_by_name(box: Box) -> None:
    box.write("insert into armature_migrations values ('box', 2, 'more', 'x', 0)")
    with pytest.raises(SchemaRefused, match="box/0002_more is applied on one side only"):
        box.promote()


def test_a_column_on_one_side_only_is_refused(box: Box) -> None:
    box.write("alter table box_shelves add column colour text")
    with pytest.raises(SchemaRefused, match="box_shelves: its columns differ on the target"):
        box.promote()


def test_the_promotion_of_another_log_is_refused(box: Box) -> None:
    with box.ends() as (source, target):
        tables = target.tables()
        of = source.identity()
        target.begin(type(of)("other", 1), [table for table in tables if table.name == "box_things"])
    with pytest.raises(SchemaRefused, match="a promotion of the log other is under way there"):
        box.promote()


def test_an_undone_promotion_leaves_nothing_and_can_begin_again(box: Box) -> None:
    def dies(progress: Progress) -> None:
        if progress.stage == "compare":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        box.promote(tell=dies)
    assert box.there("select count(*) > 0 from box_things") == [(True,)]
    with box.ends() as (source, target):
        abort(source, target)
    assert box.there("select count(*) from box_things") == [(0,)]
    assert not box.here("select name from sqlite_schema where name like 'armature_capture%' or name = 'armature_moved'")
    assert box.promote().head == 250


def test_two_at_once_are_refused(box: Box) -> None:
    with box.ends(), pytest.raises(Unavailable, match="another promotion to this database is at work"):
        PostgresTarget(box.url)


def test_a_second_target_learns_that_the_first_was_faster(box: Box, postgres: LocalPostgres) -> None:
    other = postgres.create_database("moving_other")
    migrate(PostgresMigrator(other, kinds=KINDS), box.modules)
    source, target = SqliteSource(box.file), PostgresTarget(other)

    def overtaken(progress: Progress) -> None:
        if progress.stage == "compare" and source.sealed() is None:
            box.promote()

    with pytest.raises(SchemaRefused, match="somebody else ended the capture"):
        promote(source, target, "elsewhere", Limits(chunk_rows=100, remainder_max=5), overtaken)
    with pytest.raises(SchemaRefused, match="it was promoted to there"):
        promote(source, target, "elsewhere", Limits(), lambda _: None)
    source.close()
    target.close()


def test_a_database_that_sorts_otherwise_is_refused(postgres: LocalPostgres) -> None:
    postgres.sql("create database moving_sorted template template0 lc_collate 'C.UTF-8' lc_ctype 'C.UTF-8'")
    PostgresTarget(postgres.url("moving_sorted")).close()
    postgres.sql("update pg_database set datcollate = 'de_DE.UTF-8' where datname = 'moving_sorted'")
    with pytest.raises((SchemaRefused, Unavailable)):
        PostgresTarget(postgres.url("moving_sorted"))


def test_a_database_that_no_start_would_take_is_refused_before_the_file_is_sealed(postgres: LocalPostgres) -> None:
    postgres.sql("create database moving_ascii template template0 encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C'")
    postgres.sql("alter database moving_ascii set synchronous_commit = off")
    with pytest.raises(SchemaRefused) as refused:
        PostgresTarget(postgres.url("moving_ascii"))
    assert [(one.text, one.cure) for one in refused.value.troubles] == [
        ("synchronous_commit is off, a crash loses what was acknowledged", "set synchronous_commit = on for this database"),
        ("the database is encoded as SQL_ASCII", "create it with encoding 'UTF8'"),
    ]


def test_a_database_without_a_system_cannot_be_saved_or_turned(postgres: LocalPostgres, tmp_path: Path) -> None:
    url = postgres.create_database("moving_bare")
    with pytest.raises(SchemaRefused, match="database: no system was ever started on it; name the environment"):
        save_database(url, tmp_path, tmp_path, "0")
    with pytest.raises(SchemaRefused, match="database: no system was ever started on it; name the environment"):
        turn_database(url)


def test_a_file_that_is_not_there_is_refused_with_words(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="name the data folder"):
        SqliteSource(tmp_path / "nothing.db")
