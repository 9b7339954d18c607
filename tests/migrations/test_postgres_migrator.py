"""PostgreSQL keeps a migrator's laws, and what is special to a server: locks of those who serve, words for what is missing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from armature.adapters.postgres.migrator import PostgresMigrator
from armature.adapters.postgres.session import connected
from armature.conformance.migrator import MigratorLaws
from armature.engine.migrations import migrate
from armature.ports.migrator import Migrator, SchemaRefused, SchemaUnreachable
from armature.testing.servers import LocalPostgres
from tests.migrations.postgres_world import KINDS, SERVER, database_of, open_migrator

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def server(postgres: LocalPostgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv(SERVER, postgres.url("").rstrip("/"))
    yield


class TestPostgresMigrator(MigratorLaws):
    recipe = "from tests.migrations.postgres_world import open_migrator"

    def migrator(self, folder: Path) -> Migrator:
        return open_migrator(folder)

    def ask(self, folder: Path, sql: str) -> list[tuple[Any, ...]]:
        with connected(database_of(folder)) as session:
            return session.rows(sql)


def shop(folder: Path, **files: str) -> list[tuple[str, Path]]:
    migrations = folder / "shop" / "migrations"
    migrations.mkdir(parents=True, exist_ok=True)
    for number, (name, text) in enumerate(files.items(), start=1):
        (migrations / f"{number:04}_{name}.sql").write_text(text)
    return [("shop", folder / "shop")]


THINGS = "create table shop_things (\n    id bigint not null primary key,\n    name text not null\n);\n"
"""The same table as the laws'."""


def refused(migrator: PostgresMigrator, modules: list[tuple[str, Path]]) -> str:
    with pytest.raises(SchemaRefused) as caught:
        migrate(migrator, modules)
    return str(caught.value)


def test_a_statement_that_waits_for_those_who_serve_gives_up_and_says_so(tmp_path: Path, postgres_url: str) -> None:
    modules = shop(tmp_path, first=THINGS)
    migrate(PostgresMigrator(postgres_url, kinds=KINDS), modules)
    shop(tmp_path, first=THINGS, second="select 1;\nalter table shop_things add column note text;\n")
    impatient = PostgresMigrator(postgres_url, kinds=KINDS, lock_seconds=0.1)
    with connected(postgres_url) as serving:
        serving.run("begin; select count(*) from shop_things")
        with pytest.raises(SchemaUnreachable, match=r"0002_second.sql:2: canceling .* due to lock timeout; find who holds it"):
            migrate(impatient, modules)
    assert [one.name for one in migrate(impatient, modules)] == ["second"]


def test_who_waits_too_long_for_another_migration_is_told_whose(tmp_path: Path, postgres_url: str) -> None:
    modules = shop(tmp_path, first=THINGS)
    with connected(postgres_url, application_name="somebody else") as other:
        other.run("select pg_advisory_lock(x'41726D6174757265'::bigint)")
        with pytest.raises(SchemaUnreachable, match=r"somebody else \(127.*has been migrating for 0.1 s; wait for it or stop it"):
            migrate(PostgresMigrator(postgres_url, kinds=KINDS, wait_seconds=0.1), modules)
    assert migrate(PostgresMigrator(postgres_url, kinds=KINDS), modules)


def test_an_index_is_built_beside_those_who_wait_for_the_lock(tmp_path: Path, postgres_url: str) -> None:
    modules = shop(tmp_path, first=THINGS)
    text = "-- no transaction\ncreate index concurrently if not exists shop_by_name on shop_things (name);\n"
    (tmp_path / "shop" / "migrations" / "0002_index.postgres.sql").write_text(text)
    assert [one.name for one in migrate(PostgresMigrator(postgres_url, kinds=KINDS), modules)][-2:] == ["first", "index"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("postgresql://postgres@127.0.0.1:1/shop", "database shop on 127.0.0.1:1: "),
        ("{server}/nothing_here", "create database"),
        ("postgresql://nobody@{host}/postgres", "create the role, or correct user and password"),
        ("nonsense://", "write postgresql://user@host:port/database"),
    ],
)
def test_what_is_missing_is_told_with_its_cure(tmp_path: Path, postgres: LocalPostgres, wrong: str, said: str) -> None:
    server = postgres.url("").rstrip("/")
    url = wrong.format(server=server, host=f"127.0.0.1:{postgres.port}")
    assert said in refused(PostgresMigrator(url), shop(tmp_path, first=THINGS))


def test_a_password_never_stands_in_a_message(tmp_path: Path, postgres: LocalPostgres) -> None:
    url = f"postgresql://nobody:secret-word@127.0.0.1:{postgres.port}/postgres"
    assert "secret-word" not in refused(PostgresMigrator(url), shop(tmp_path, first=THINGS))


def test_an_unknown_column_word_is_refused_as_on_every_engine(tmp_path: Path, postgres_url: str) -> None:
    said = refused(PostgresMigrator(postgres_url), shop(tmp_path, first="create table shop_things (\n  id varchar(9)\n);\n"))
    assert "0001_first.sql:2: column 'id' has the unknown type 'varchar(…'; write one of: uuid, text" in said


@pytest.mark.parametrize("place", ["migrate.walled"])
def test_a_kill_before_the_walls_stand_leaves_them_to_the_next(tmp_path: Path, place: str) -> None:
    laws = TestPostgresMigrator()
    shop(tmp_path, first=THINGS)
    assert laws._killed(tmp_path, place)
    granted = (
        "select count(*) from pg_roles where rolname in (select grantee from information_schema.role_table_grants"
        " where table_name = 'shop_things' and grantee like 'armature%')"
    )
    assert laws.ask(tmp_path, granted) == [(0,)]
    assert migrate(open_migrator(tmp_path), [("shop", tmp_path / "shop")]) == []
    assert laws.ask(tmp_path, granted) == [(1,)]
