"""SQLite keeps a migrator's laws, and what is special to a file: kills in mid-write, full disks, other holders."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import apsw
import pytest

from armature.adapters.sqlite.migrator import SqliteMigrator
from armature.conformance.migrator import MigratorLaws
from armature.engine.migrations import migrate
from armature.ports.migrator import Migrator, SchemaRefused

MANY = """
create table shop_things (id bigint not null primary key, name text not null);
insert into shop_things with recursive n(i) as (select 1 union all select i + 1 from n where i < 300000)
select i, 'a thing with a name that is long enough to fill some pages, number ' || i from n;
"""
CHILD = """
import sys
from pathlib import Path
from armature.adapters.sqlite.migrator import SqliteMigrator
from armature.engine.migrations import migrate
folder = Path(sys.argv[1])
migrate(SqliteMigrator(folder / "a.db"), [("shop", folder / "shop")])
"""


def shop(folder: Path, **files: str) -> list[tuple[str, Path]]:
    migrations = folder / "shop" / "migrations"
    migrations.mkdir(parents=True, exist_ok=True)
    for number, (name, text) in enumerate(files.items(), start=1):
        (migrations / f"{number:04}_{name}.sql").write_text(text)
    return [("shop", folder / "shop")]


def asked(path: Path, sql: str) -> list[tuple[Any, ...]]:
    connection = apsw.Connection(str(path))
    try:
        return list(connection.execute(sql))
    finally:
        connection.close()


class TestSqliteMigrator(MigratorLaws):
    recipe = """
from armature.adapters.sqlite.migrator import SqliteMigrator
def open_migrator(folder):
    return SqliteMigrator(folder / "a.db")
"""

    def migrator(self, folder: Path) -> Migrator:
        return SqliteMigrator(folder / "a.db")

    def ask(self, folder: Path, sql: str) -> list[tuple[Any, ...]]:
        return asked(folder / "a.db", sql)


def test_a_kill_in_the_middle_of_a_write_is_resumed(tmp_path: Path) -> None:
    modules = shop(tmp_path, many=MANY)
    process = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)])
    wal = tmp_path / "a.db-wal"
    while process.poll() is None and (not wal.exists() or wal.stat().st_size < 4_000_000):
        time.sleep(0.002)
    process.kill()
    assert process.wait() == -signal.SIGKILL, "the migration was over before it could be killed"
    assert asked(tmp_path / "a.db", "select count(*) from sqlite_schema where name = 'shop_things'") == [(0,)]
    assert len(migrate(SqliteMigrator(tmp_path / "a.db"), modules)) == 1
    assert asked(tmp_path / "a.db", "select count(*) from shop_things") == [(300_000,)]
    assert asked(tmp_path / "a.db", "pragma integrity_check") == [("ok",)]


def test_a_full_disk_is_said_in_words_and_the_next_start_goes_on(tmp_path: Path) -> None:
    modules = shop(tmp_path, many=MANY)

    def small_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4_000_000, 4_000_000))

    ran = subprocess.run([sys.executable, "-c", CHILD, str(tmp_path)], capture_output=True, text=True, preexec_fn=small_disk)
    assert ran.returncode == 1
    assert "SchemaRefused" in ran.stderr and "0001_many.sql:3: " in ran.stderr.splitlines()[-1], ran.stderr
    assert [one.name for one in migrate(SqliteMigrator(tmp_path / "a.db"), modules)] == ["many"]


def test_a_writer_of_the_previous_release_is_waited_for_and_goes_on_afterwards(tmp_path: Path) -> None:
    modules = shop(tmp_path, first="create table shop_things (id bigint not null primary key);")
    path = tmp_path / "a.db"
    migrate(SqliteMigrator(path), modules)
    shop(
        tmp_path,
        first="create table shop_things (id bigint not null primary key);",
        more="alter table shop_things add note text;",
    )
    old = apsw.Connection(str(path))
    old.execute("begin immediate; insert into shop_things (id) values (1)")
    with pytest.raises(SchemaRefused, match=r"a\.db: .*locked.*; stop the process that holds the database"):
        migrate(SqliteMigrator(path, wait_seconds=0.05), modules)
    old.execute("commit")
    assert [one.name for one in migrate(SqliteMigrator(path), modules)] == ["more"]
    old.execute("insert into shop_things (id) values (2)")
    assert asked(path, "select id, note from shop_things order by id") == [(1, None), (2, None)]


def test_what_is_no_database_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_bytes(b"my diary, page one. " * 400)
    with pytest.raises(SchemaRefused, match="not a database; point to an Armature database"):
        migrate(SqliteMigrator(tmp_path / "a.db"), [])
    assert (tmp_path / "a.db").read_bytes().startswith(b"my diary")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(SchemaRefused, match="create the folder"):
        migrate(SqliteMigrator(tmp_path / "nowhere" / "a.db"), [])


def test_a_read_only_folder_is_named(tmp_path: Path) -> None:
    if os.geteuid() == 0:  # root may write everywhere; a file where the folder should be is refused to root too
        (tmp_path / "file").write_text("")
        target = tmp_path / "file" / "a.db"
    else:
        (tmp_path / "locked").mkdir(mode=0o500)
        target = tmp_path / "locked" / "a.db"
    with pytest.raises(SchemaRefused, match="let this user write to it"):
        migrate(SqliteMigrator(target), [])


def test_rows_that_refer_to_nothing_are_refused(tmp_path: Path) -> None:
    tables = """
create table shop_owners (id bigint not null primary key);
create table shop_things (id bigint not null primary key, owner bigint not null references shop_owners(id));
insert into shop_things (id, owner) values (1, 7);
"""
    with pytest.raises(SchemaRefused, match="rows of shop_things refer to rows of shop_owners that do not exist"):
        migrate(SqliteMigrator(tmp_path / "a.db"), shop(tmp_path, tables=tables))
    assert asked(tmp_path / "a.db", "select count(*) from sqlite_schema where name like 'shop%'") == [(0,)]


def test_a_table_can_be_rebuilt_while_others_refer_to_it(tmp_path: Path) -> None:
    tables = """
create table shop_owners (id bigint not null primary key);
create table shop_things (id bigint not null primary key, owner bigint not null references shop_owners(id) on delete cascade);
insert into shop_owners (id) values (7);
insert into shop_things (id, owner) values (1, 7);
"""
    rebuild = """
create table shop_owners_new (id bigint not null primary key check (id > 0));
insert into shop_owners_new select id from shop_owners;
drop table shop_owners;
alter table shop_owners_new rename to shop_owners;
"""
    migrate(SqliteMigrator(tmp_path / "a.db"), shop(tmp_path, tables=tables, rebuild=rebuild))
    assert asked(tmp_path / "a.db", "select id, owner from shop_things") == [(1, 7)]


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("create table shop_a (id uuid primary key);", "0002_next.sql:1: table shop_a already exists; give it another name"),
        ("\ninsert into shop_b (id) values (1);", "0002_next.sql:2: no such table: shop_b; create it first"),
        ("alter table shop_a add column id uuid;", "0002_next.sql:1: duplicate column name: id; give it another name"),
        (
            "insert into shop_a (id) values ('text');",
            "cannot store TEXT value in BLOB column shop_a.id; rows that exist break it",
        ),
        ("select id::text from shop_a;", "; write what every engine takes, or twins: NNNN_name.sqlite.sql"),
    ],
)
def test_each_trouble_has_its_own_cure(tmp_path: Path, text: str, cure: str) -> None:
    modules = shop(tmp_path, first="create table shop_a (id uuid primary key);", next=text)
    with pytest.raises(SchemaRefused) as refusal:
        migrate(SqliteMigrator(tmp_path / "a.db"), modules)
    assert cure in str(refusal.value)


def test_what_refuses_a_transaction_runs_without_one(tmp_path: Path) -> None:
    first = "create table shop_things (id bigint not null primary key);"
    with pytest.raises(SchemaRefused, match=r"0002_small\.sql:1: .*cannot VACUUM from within a transaction"):
        migrate(SqliteMigrator(tmp_path / "a.db"), shop(tmp_path, first=first, small="vacuum;"))
    modules = shop(tmp_path, first=first, small="-- no transaction\nvacuum;")
    assert [one.name for one in migrate(SqliteMigrator(tmp_path / "a.db"), modules)] == ["small"]


def test_a_data_migration_speaks_in_uuids_and_times(tmp_path: Path) -> None:
    modules = shop(tmp_path, first="create table shop_things (id uuid not null primary key, at timestamptz not null);")
    (tmp_path / "shop/migrations/0002_data.py").write_text(
        "from datetime import UTC, datetime\nfrom uuid import UUID\n"
        "def migrate(db):\n"
        "    made = db.run('insert into shop_things (id, at) values (:id, :at)', "
        "{'id': UUID(int=7), 'at': datetime(2026, 1, 1, tzinfo=UTC)})\n"
        "    assert made == 1 and db.rows('select at from shop_things where id = ?', [UUID(int=7)])\n"
    )
    migrate(SqliteMigrator(tmp_path / "a.db"), modules)
    assert asked(tmp_path / "a.db", "select hex(id), at from shop_things") == [("0" * 31 + "7", 1_767_225_600_000_000)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\n", r"0001_data\.py:1: there is no function migrate\(db\); define"),
        ("def migrate(db):\n    return (\n", r"0001_data\.py:2: SyntaxError: '\(' was never closed"),
        ("def migrate(db):\n    db.run('commit')\n", r"'commit' in a migration: the runner begins and commits"),
        ("def migrate(db):\n    db.run('update nowhere set a = 1')\n", r"0001_data\.py:2: SQLError: no such table: nowhere"),
    ],
)
def test_a_wrong_data_migration_is_told_in_words(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "shop" / "migrations").mkdir(parents=True)
    (tmp_path / "shop" / "migrations" / "0001_data.py").write_text(text)
    with pytest.raises(SchemaRefused, match=said):
        migrate(SqliteMigrator(tmp_path / "a.db"), [("shop", tmp_path / "shop")])
