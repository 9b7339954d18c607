"""`check sql` asks PostgreSQL what SQLite cannot know; the committed answer is refused as soon as a statement is another."""

from pathlib import Path
from uuid import UUID

import pytest
from click.testing import CliRunner
from msgspec import Struct

from armature.checks.finding import Finding
from armature.checks.rules import ask_postgres
from armature.checks.sql import SqlModule
from armature.checks.sql.on_postgres import FILE, check_on_postgres, check_recorded, framework
from armature.cli.check import check_command
from armature.kernel.statement import Statement, change, select
from armature.testing.servers import LocalPostgres
from tests.checks.shop import STOCK, module

ROOT = Path(__file__).parents[2]
HISTORY = "create table shop_history (tenant_id text not null, id uuid not null, primary key (tenant_id, id));"
NAMES = select(str, "select name from shop_items where tenant_id = :tenant_id and id = :id")


class Priced(Struct):
    price: int


class Held(Struct):
    id: UUID


def found(folder: Path, server: LocalPostgres, *statements: Statement, **more: object) -> list[Finding]:
    modules = [module(folder, name="stock", ddl=STOCK, tables={}), module(folder, *statements, **more)]
    return check_on_postgres(folder, modules, server.url())


def said(findings: list[Finding]) -> str:
    return "\n".join(f"{one.text}; {one.cure}" for one in findings)


@pytest.mark.slow
def test_right_statements_are_recorded_and_nothing_is_left_on_the_server(tmp_path: Path, postgres: LocalPostgres) -> None:
    save = change(
        "update shop_items set version = :version where tenant_id = :tenant_id and id = :id and version = :expected",
        row=("id",),
        cas="expected",
    )
    some = select(str, "select name from shop_items where tenant_id = :tenant_id and id in (:ids) limit 9")
    assert found(tmp_path, postgres, NAMES, save, some) == []
    written = (tmp_path / FILE).read_text()
    assert '"ids": "uuid[]"' in written and '"expected": "bigint"' in written
    assert postgres.sql("select count(*) from pg_database where datname like 'armature_check%'") == "0"
    assert "armature_check" not in postgres.sql("select coalesce(string_agg(rolname, ' '), '') from pg_roles")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("statement", "text"),
    [
        (select(str, "select colour from shop_items where tenant_id = :tenant_id"), 'column "colour" does not exist'),
        (select(str, "select name from shop_nothing"), 'relation "shop_nothing" does not exist'),
        (select(Held, "select id from stock_places where tenant_id = :tenant_id"), "permission denied for table stock_places"),
        (select(int, "select last from armature_head"), "permission denied for table armature_head"),
        (select(str, "select name from shop_items where tenant_id = :tenant_id and name = 7"), "operator does not exist"),
        (select(Priced, "select name as price from shop_items where tenant_id = :tenant_id"), "price is text on PostgreSQL"),
        (
            select(Priced, "select sum(price) as price from shop_items where tenant_id = :tenant_id"),
            "price is numeric on PostgreSQL and cannot become int",
        ),
        (
            change(
                "update shop_items set name = 'x' where tenant_id = :tenant_id and name = :expected",
                row=("tenant_id",),
                cas="expected",
            ),
            ":expected is int, PostgreSQL takes text",
        ),
        (
            change("insert into shop_history (tenant_id, id) values (:tenant_id, :id)"),
            "",
        ),
        (
            select(str, "select name from shop_items where tenant_id = :tenant_id group by id"),
            "must appear in the GROUP BY clause",
        ),
    ],
)
def test_what_postgres_does_not_take_is_told_at_its_place(
    tmp_path: Path, postgres: LocalPostgres, statement: Statement, text: str
) -> None:
    findings = found(tmp_path, postgres, statement, projections_ddl={"history.sql": HISTORY})
    assert text in said(findings)
    assert bool(findings) == bool(text), said(findings)
    assert all(one.file == __file__ and one.line for one in findings)
    assert (tmp_path / FILE).exists() == (not findings)


@pytest.mark.slow
def test_twins_that_disagree_on_a_type_are_found(tmp_path: Path, postgres: LocalPostgres) -> None:
    shop = module(tmp_path, select(str, "select name from shop_items where tenant_id = :tenant_id and price = :price"))
    folder = tmp_path / "shop" / "migrations"
    text = (folder / "0001_create.sql").read_text()
    (folder / "0001_create.postgres.sql").write_text(text.replace("price bigint", "price text"))
    assert ":price is text on PostgreSQL and bigint on SQLite" in said(check_on_postgres(tmp_path, [shop], postgres.url()))


@pytest.mark.slow
def test_a_statement_that_changed_since_is_a_finding_until_it_is_asked_about_again(
    tmp_path: Path, postgres: LocalPostgres
) -> None:
    before = module(tmp_path, NAMES)
    assert check_on_postgres(tmp_path, [before], postgres.url()) == []
    assert list(check_recorded(tmp_path, [before])) == []
    changed = module(tmp_path, select(str, NAMES.text.replace("select name", "select note")))
    other_shape = module(tmp_path, select(int, NAMES.text))
    for one in (changed, other_shape):
        findings = list(check_recorded(tmp_path, [one]))
        assert [one.rule for one in findings] == ["sql:postgres"] * 2
        assert "changed since PostgreSQL was asked; call `armature check sql --postgres URL`" in said(findings).replace(
            " about it", ""
        )
    assert check_on_postgres(tmp_path, [changed], postgres.url()) == []
    assert list(check_recorded(tmp_path, [changed])) == []


@pytest.mark.slow
def test_a_new_migration_makes_every_statement_of_its_module_unasked(tmp_path: Path, postgres: LocalPostgres) -> None:
    shop = module(tmp_path, NAMES)
    assert check_on_postgres(tmp_path, [shop], postgres.url()) == []
    (tmp_path / "shop" / "migrations" / "0002_more.sql").write_text("alter table shop_items add column more text;")
    assert "changed since PostgreSQL was asked" in said(list(check_recorded(tmp_path, [shop])))


def test_a_project_that_never_asked_is_not_told_to() -> None:
    assert list(check_recorded(Path("/nonexistent"), [SqlModule("shop", Path("/nonexistent"), (NAMES,))])) == []


@pytest.mark.slow
def test_the_committed_record_is_what_postgres_says_now(tmp_path: Path, postgres: LocalPostgres) -> None:
    assert [str(one) for one in ask_postgres(ROOT, postgres.url(), into=tmp_path)] == []
    assert (tmp_path / FILE).read_bytes() == (ROOT / FILE).read_bytes(), "call make sql and commit contracts/sql.json"


@pytest.mark.slow
def test_a_wrong_address_is_told_in_words() -> None:
    told = CliRunner().invoke(check_command, ["sql", "--postgres", "postgresql://nobody@127.0.0.1:1/nothing"])
    assert told.exit_code == 1
    assert "database nothing on 127.0.0.1:1" in told.output and "start the server, or correct host and port" in told.output


def test_the_frameworks_own_statements_are_asked_about_too() -> None:
    assert any("armature_outbox" in statement.reads for statement in framework().statements)
