"""What `armature migrate` and `armature check sql` print, and with which exit code they leave."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from armature.adapters.postgres.grants import lane_role
from armature.adapters.sqlite.migrator import SqliteMigrator
from armature.cli.check_sql import check_folders
from armature.cli.main import main
from armature.cli.migrate import migrate_database, show_status
from armature.testing.servers import LocalPostgres


@pytest.fixture
def shop(tmp_path: Path) -> list[tuple[str, Path]]:
    folder = tmp_path / "migratecommand" / "shop"
    (folder / "migrations").mkdir(parents=True)
    text = "create table shop_a (tenant_id text not null primary key);"
    (folder / "migrations" / "0001_a.sql").write_text(text)
    return [("shop", folder)]


def test_a_second_call_says_that_nothing_is_to_do(
    tmp_path: Path, shop: list[tuple[str, Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    migrator = SqliteMigrator(tmp_path / "a.db")
    assert migrate_database(migrator, shop) == 0
    first, *others, last = capsys.readouterr().out.splitlines()
    assert (first, last) == ("applied armature/0001_foundation", "applied shop/0001_a")
    assert all(line.startswith("applied armature/") for line in others)
    assert migrate_database(migrator, shop) == 0
    assert capsys.readouterr().out == "nothing to do: every migration is applied\n"


def test_the_state_is_shown_without_changing_it(
    tmp_path: Path, shop: list[tuple[str, Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    migrator = SqliteMigrator(tmp_path / "a.db")
    assert show_status(migrator, shop) == 0
    assert "shop/0001_a" in (shown := capsys.readouterr().out) and "pending" in shown
    assert not (tmp_path / "a.db").exists()


def test_a_changed_file_is_refused_in_words_and_in_json(
    tmp_path: Path, shop: list[tuple[str, Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    migrator = SqliteMigrator(tmp_path / "a.db")
    migrate_database(migrator, shop)
    (shop[0][1] / "migrations" / "0001_a.sql").write_text("-- nothing")
    capsys.readouterr()
    assert migrate_database(migrator, shop) == 1
    assert "restore the file" in capsys.readouterr().err
    assert migrate_database(migrator, shop, as_json=True) == 1
    [trouble] = json.loads(capsys.readouterr().out)["troubles"]
    assert trouble["file"].endswith("0001_a.sql") and trouble["cure"].startswith("restore the file")
    assert show_status(migrator, shop, as_json=True) == 1
    states = {one["module"]: one["state"] for one in json.loads(capsys.readouterr().out)["migrations"]}
    assert states == {"armature": "applied", "shop": "changed"}


def test_findings_are_printed_with_their_cure(shop: list[tuple[str, Path]], capsys: pytest.CaptureFixture[str]) -> None:
    folder = shop[0][1]
    assert check_folders([folder]) == 0
    assert capsys.readouterr().out == "no findings\n"
    (folder / "migrations" / "0002_b.sql").write_text("drop table shop_a;")
    assert check_folders([folder]) == 1
    assert "0002_b.sql:1: sql:contract: the previous release cannot run on it" in capsys.readouterr().out
    assert check_folders([folder], as_json=True) == 1
    assert json.loads(capsys.readouterr().out)["findings"][0]["rule"] == "sql:contract"


def test_a_module_that_cannot_be_imported_is_told(shop: list[tuple[str, Path]], capsys: pytest.CaptureFixture[str]) -> None:
    (shop[0][1] / "repository.py").write_text("from armature.kernel.statement import nothing\n")
    assert check_folders([shop[0][1]]) == 1
    assert "the modules cannot be read: cannot import name 'nothing'" in capsys.readouterr().err


def migrate(tmp_path: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["migrate", "--topology", "single-postgres", "--data", str(tmp_path), *words])


@pytest.mark.slow
def test_a_postgresql_gets_its_tables_its_lanes_and_its_walls_once(
    tmp_path: Path, postgres: LocalPostgres, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARMATURE_POSTGRES_URL", postgres_url)
    name = postgres_url.rpartition("/")[2]
    standing = json.loads(migrate(tmp_path, "--status", "--json").stdout)["migrations"]
    assert {one["state"] for one in standing} == {"pending"}
    assert postgres.sql("select count(*) from pg_class where relname = 'counter_counters'", name) == "0"

    first = migrate(tmp_path)
    assert first.exit_code == 0, first.output
    assert len(first.output.splitlines()) == len(standing)
    assert migrate(tmp_path).output == "nothing to do: every migration is applied\n"
    standing = json.loads(migrate(tmp_path, "--status", "--json").stdout)["migrations"]
    assert {one["state"] for one in standing} == {"applied"}

    lane = lane_role(name, "counter")
    rights = [("counter_counters", "insert", "t"), ("armature_outbox", "select", "f")]
    for table, right, expected in rights:
        assert postgres.sql(f"select has_table_privilege('{lane}', '{table}', '{right}')", name) == expected
    walled = "select relrowsecurity from pg_class where relname = 'counter_counters'"
    assert postgres.sql(walled, name) == "t"


def test_a_server_that_is_away_is_told_with_its_place_and_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARMATURE_POSTGRES_URL", "postgresql://me:secret@127.0.0.1:1/shop")
    result = migrate(tmp_path)
    assert result.exit_code == 1
    assert "database shop on 127.0.0.1:1" in result.output and "secret" not in result.output
