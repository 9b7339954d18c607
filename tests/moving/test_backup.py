"""Backups taken while others write, put back and compared; and the ways in which one is refused."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import apsw
import msgspec
import pytest

from armature.adapters.postgres.backup import restore_database, save_database, turn_database
from armature.adapters.postgres.migrator import PostgresMigrator
from armature.adapters.postgres.session import connected
from armature.adapters.sqlite.backup import restore_file, save_file
from armature.engine.backup import MANIFEST, Kept, Manifest, check, empty_folder, kept, read_manifest, write_manifest
from armature.engine.migrations import migrate
from armature.kernel.refusals import Unavailable
from armature.ports.migrator import SchemaRefused
from armature.testing.servers import LocalPostgres
from tests.moving.box import KINDS, Box

pytestmark = pytest.mark.slow
COUNTED = (
    "select (select count(*) from box_things), (select count(*) from armature_outbox), (select max(id) from armature_outbox)"
)


@pytest.fixture
def box(tmp_path: Path, postgres_url: str) -> Box:
    """A filled file beside an empty database."""
    made = Box(tmp_path, postgres_url)
    made.fill(shelves=3, things=120)
    return made


@pytest.fixture
def saved(box: Box, tmp_path: Path) -> Path:
    """A backup of the file."""
    folder = tmp_path / "saved"
    save(box, folder)
    return folder


def save(box: Box, folder: Path) -> Manifest:
    """Take a backup of the file."""
    empty_folder(folder)
    manifest = save_file(box.file, folder, box.file.parent / "archive", "1")
    write_manifest(folder, manifest)
    return manifest


def restored(folder: Path, file: Path) -> int:
    """Put a backup back as the command does."""
    manifest = read_manifest(folder)
    check(folder, manifest)
    return restore_file(folder, file, manifest)


def ask(file: Path, sql: str) -> list[tuple[object, ...]]:
    """Ask a file."""
    with closing(apsw.Connection(str(file))) as db:
        return db.execute(sql).fetchall()


@contextmanager
def writing(box: Box) -> Iterator[list[int]]:
    """Write a thing and its event in one commit, again and again meanwhile."""
    done: list[int] = []
    stop = threading.Event()

    def write() -> None:
        n = 10_000
        while not stop.is_set():
            shelf = "(select id from box_shelves limit 1)"
            event = f"x'{n:032x}', 'box.filled', 1, 't', 'box/{n}', 1, '{{}}', 'c', 'c', 'ann', 7, 0"
            columns = "event_id, type, schema, tenant_id, stream, stream_version, payload, correlation_id, causation_id, actor"
            box.write(
                f"insert into box_things values ('t', {n}, {shelf}, null, 0, null, null, null)",
                f"insert into armature_outbox ({columns}, partition, occurred_at) values ({event})",
            )
            n += 1
            done.append(n)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        while len(done) < 5:
            pass
        yield done
    finally:
        stop.set()
        thread.join()


def test_a_file_is_saved_as_of_one_moment_while_others_write(box: Box, tmp_path: Path) -> None:
    with writing(box) as done:
        manifest = save(box, tmp_path / "saved")
        acknowledged = len(done)
        while len(done) == acknowledged:
            pass
    epoch = restored(tmp_path / "saved", tmp_path / "again/armature.db")
    ((things, events, last),) = ask(tmp_path / "again/armature.db", COUNTED)
    assert things == events == last == manifest.head
    assert 120 < manifest.head < 120 + len(done), "it was taken between two writes"
    assert ask(tmp_path / "again/armature.db", "select log, epoch from armature_log") == [(manifest.log, epoch)]
    assert epoch > 1


def test_a_restored_log_never_gives_an_old_number_to_a_new_event_of_its_epoch(saved: Path, box: Box, tmp_path: Path) -> None:
    file = tmp_path / "again/armature.db"
    restored(saved, file)
    box.file = file
    box.tell(1)
    assert ask(file, "select max(id) from armature_outbox") == [(121,)]


def test_consumers_saved_with_the_log_go_on_and_one_that_is_ahead_keeps_its_mark(box: Box, tmp_path: Path) -> None:
    ((log,),) = box.here("select log from armature_log")
    box.write(
        f"insert into armature_consumers values ('near', '{log}', 1, 0, 120)",
        f"insert into armature_consumers values ('ahead', '{log}', 1, 0, 121)",
        "insert into armature_leases values ('relay', 'somebody', 3, 0)",
    )
    save(box, tmp_path / "saved")
    epoch = restored(tmp_path / "saved", tmp_path / "again/armature.db")
    epochs = ask(tmp_path / "again/armature.db", "select consumer, epoch from armature_consumers order by 1")
    assert epochs == [("ahead", 1), ("near", epoch)]
    assert ask(tmp_path / "again/armature.db", "select count(*) from armature_leases") == [(0,)]


def test_a_promotion_under_way_is_no_part_of_a_backup(box: Box, saved: Path, tmp_path: Path) -> None:
    with box.ends() as (source, target):
        source.capture([table for table in target.tables() if table.name == "box_things"])
        save(box, tmp_path / "meanwhile")
    assert not ask(tmp_path / "meanwhile/armature.db", "select name from sqlite_schema where name like 'armature_capture%'")


def test_a_promoted_file_is_not_saved_but_its_place_is_named(box: Box, tmp_path: Path) -> None:
    box.promote("postgresql://elsewhere")
    with pytest.raises(Unavailable, match="promoted to postgresql://elsewhere"):
        save(box, tmp_path / "saved")


def test_a_truncated_file_is_refused(saved: Path, tmp_path: Path) -> None:
    with (saved / "armature.db").open("r+b") as file:
        file.truncate(8_192)
    with pytest.raises(SchemaRefused, match="it is truncated: 8192 of"):
        restored(saved, tmp_path / "again.db")
    assert not (tmp_path / "again.db").exists()


def test_a_damaged_file_is_refused(saved: Path, tmp_path: Path) -> None:
    with (saved / "armature.db").open("r+b") as file:
        file.seek(20_000)
        file.write(b"x")
    with pytest.raises(SchemaRefused, match="it is damaged: its hash is another one"):
        restored(saved, tmp_path / "again.db")


def test_a_missing_file_and_a_missing_manifest_are_refused(saved: Path, tmp_path: Path) -> None:
    shutil.copytree(saved, tmp_path / "bare")
    (tmp_path / "bare" / MANIFEST).unlink()
    with pytest.raises(SchemaRefused, match=r"there is no manifest\.json in it"):
        restored(tmp_path / "bare", tmp_path / "again.db")
    (saved / "armature.db").unlink()
    with pytest.raises(SchemaRefused, match="it is missing"):
        restored(saved, tmp_path / "again.db")


@pytest.mark.parametrize(
    ("sentence", "words"),
    [
        ("drop table box_things", "the table box_things is missing"),
        ("delete from box_things where number = 7", "box_things has 119 rows, the manifest says 120"),
        ("update box_things set weight = 2 where number = 7", "box_things does not hold what the manifest says"),
    ],
)
def test_what_is_in_the_file_is_compared_table_by_table(saved: Path, tmp_path: Path, sentence: str, words: str) -> None:
    with closing(apsw.Connection(str(saved / "armature.db"))) as db:
        db.execute(sentence)
    forged: Kept = kept(saved, saved / "armature.db")
    manifest = msgspec.structs.replace(read_manifest(saved), files=(forged,))
    write_manifest(saved, manifest)
    with pytest.raises(SchemaRefused, match=words):
        restored(saved, tmp_path / "again.db")
    assert not (tmp_path / "again.db").exists()


def test_neither_a_database_nor_a_backup_is_replaced(saved: Path, box: Box) -> None:
    with pytest.raises(SchemaRefused, match="there is a database already"):
        restored(saved, box.file)
    with pytest.raises(SchemaRefused, match="the folder is not empty"):
        empty_folder(saved)


def test_a_database_is_saved_and_restored_with_numbers_to_come(box: Box, tmp_path: Path, postgres: LocalPostgres) -> None:
    box.promote()
    # An event that has no number yet: the sequencer of the restored system gives it one.
    columns = "event_id, type, schema, tenant_id, stream, stream_version, payload, correlation_id, causation_id, actor"
    values = "gen_random_uuid(), 'box.filled', 1, 't', 'box/late', 1, '{}', 'c', 'c', 'ann', 7, now()"
    box.there(f"insert into armature_outbox ({columns}, partition, occurred_at) values ({values}) returning 1")
    folder = tmp_path / "saved"
    empty_folder(folder)
    write_manifest(folder, save_database(box.url, folder, tmp_path / "archive", "1"))
    manifest = read_manifest(folder)
    assert (manifest.head, manifest.last_id, manifest.epoch) == (120, 121, 2)

    url = postgres.create_database("restored_box")
    migrate(PostgresMigrator(url, kinds=KINDS), box.modules)
    check(folder, manifest)
    epoch = restore_database(url, folder, manifest)
    assert epoch > 2
    for table, key in (("box_things", "number"), ("box_shelves", "id"), ("armature_outbox", "id")):
        with connected(url) as session:
            assert session.rows(f"select * from {table} order by {key}") == box.there(f"select * from {table} order by {key}")
    with connected(url) as session:
        assert session.rows("select last from armature_head") == [(120,)]
        assert session.rows("select nextval('armature_outbox_id_seq')") == [(122,)]
        assert session.rows("select epoch from armature_log") == [(epoch,)]
    with pytest.raises(SchemaRefused, match="it is not empty: armature_outbox has rows"):
        restore_database(url, folder, manifest)


def test_a_missing_or_damaged_table_file_of_a_database_is_refused(box: Box, tmp_path: Path) -> None:
    box.promote()
    folder = tmp_path / "saved"
    empty_folder(folder)
    manifest = save_database(box.url, folder, tmp_path / "archive", "1")
    (folder / "tables/box_shelves.copy").unlink()
    (folder / "tables/box_things.copy").write_bytes(b"nothing")
    with pytest.raises(SchemaRefused) as told:
        check(folder, manifest)
    assert "box_shelves.copy: it is missing" in str(told.value)
    assert "box_things.copy: it is truncated" in str(told.value)


def test_a_database_that_was_brought_back_goes_on_in_an_epoch_of_its_own(box: Box) -> None:
    box.promote()
    ((log, before),) = box.there("select log, epoch from armature_log")
    for name, position in (("near", 120), ("ahead", 121)):
        box.there(f"insert into armature_consumers values ('{name}', '{log}', {before}, 0, {position}) returning 1")
    box.there(f"insert into armature_cursors values ('broker', '{log}', {before}, 120, 'x', 120, 1) returning 1")
    in_seconds = "(extract(epoch from clock_timestamp()) * 1000000)::bigint + 60000000"
    box.there(f"insert into armature_leases values ('relay:broker', 'somebody', 3, {in_seconds}) returning 1")
    with pytest.raises(SchemaRefused, match="it is being served: relay:broker; stop every process"):
        turn_database(box.url)
    assert box.there("select log, epoch from armature_log") == [(log, before)]

    box.there("update armature_leases set expires_at = 0 returning 1")
    # A process that holds no lease: it knows the old epoch all the same.
    with connected(box.url, application_name="armature shop"), connected(box.url, application_name="psql"):
        with pytest.raises(SchemaRefused, match=r"it is being served: armature shop at 127\.0\.0\.1 \(1 session\); stop every"):
            turn_database(box.url)
        assert box.there("select log, epoch from armature_log") == [(log, before)]
    turned = turn_database(box.url)
    assert (turned.log, turned.head) == (log, 120) and turned.epoch > before
    assert box.there("select epoch from armature_log") == [(turned.epoch,)]
    assert box.there("select consumer, epoch from armature_consumers order by 1") == [("ahead", before), ("near", turned.epoch)]
    assert box.there("select (select count(*) from armature_cursors) + (select count(*) from armature_leases)") == [(0,)]
