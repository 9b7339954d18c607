"""What `check sql` says of migrations and of the tables of projections, at their lines."""

from pathlib import Path
from typing import Any

import pytest

from armature.checks.sql import check_sql
from armature.kernel.statement import Change, change, select
from tests.checks.shop import findings, module, wrong

THIS = "where tenant_id = :tenant_id and id = :id"


def ddl(folder: Path, text: str, **more: Any) -> list[str]:
    found = findings(folder, ddl=text, **more)
    return [f"{one.rule} {Path(one.file).name}:{one.line} {one.text}" for one in found]


TENANT = "create table shop_a (tenant_id text not null primary key, b bigint);\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("create table shop_a (\n id int)", "sql:schema 0001_create.sql:2 column 'id' has the unknown type 'int'"),
        ("create table shop_a (id uuid);", "sql:tenant module.yaml:0 table shop_a has no column tenant_id"),
        (
            TENANT + "create table other_a (tenant_id text);",
            "sql:ownership 0001_create.sql:2 'other_a' does not belong to module shop",
        ),
        (TENANT + "\ncreate index by_b on shop_a (b);", "sql:ownership 0001_create.sql:3 'by_b' does not belong"),
        (
            TENANT + "insert into stock_places (tenant_id, id) values ('a', x'00');",
            "sql:ownership 0001_create.sql:2 'stock_places'",
        ),
        (
            "create table shop_a (tenant_id text not null primary key, b uuid,\n"
            " foreign key (tenant_id, b) references stock_places);",
            "sql:ownership 0001_create.sql:2 'stock_places'",
        ),
        (TENANT + "alter table stock_places add c bigint;", "sql:ownership 0001_create.sql:2 'stock_places'"),
        (
            "create table shop_a (tenant_id text,\n at text default current_timestamp);",
            "sql:clock 0001_create.sql:2 'current_timestamp'",
        ),
    ],
)
def test_a_wrong_migration_is_found_at_its_line(tmp_path: Path, text: str, expected: str) -> None:
    found = ddl(tmp_path, text)
    assert len(found) == 1 and found[0].startswith(expected), found


def test_a_uniqueness_needs_a_name(tmp_path: Path) -> None:
    found = ddl(tmp_path, "create table shop_a (\n tenant_id text not null unique primary key, b bigint,\n unique (b));")
    assert [text.split(" a ")[0] for text in found] == ["sql:unique 0001_create.sql:2", "sql:unique 0001_create.sql:3"]


def test_a_table_that_is_declared_must_exist(tmp_path: Path) -> None:
    found = findings(tmp_path, tables={"shop_countries": "global", "shop_itemz": "tenant"})
    assert wrong(found) == [
        "sql:tables 'shop_itemz' is declared but never created; "
        "remove it, or write what the migrations create: shop_countries, shop_items, shop_notes"
    ]


def test_a_loose_table_of_a_twin_is_found(tmp_path: Path) -> None:
    one = module(tmp_path, ddl=TENANT)
    (one.folder / "migrations" / "0002_loose.sqlite.sql").write_text("create table shop_b (tenant_id text primary key, n int)")
    assert [finding.rule for finding in check_sql([one])] == ["sql:strict"]


def test_projections_have_tables_of_their_own(tmp_path: Path) -> None:
    text = "create table shop_seen (tenant_id text not null, at timestamptz not null, primary key (tenant_id, at));"
    read = select(int, "select at from shop_seen where tenant_id = :tenant_id and at = :at")
    found = findings(tmp_path, read, projections_ddl={"seen.sql": text})
    assert [finding.text for finding in found] == ["column at is timestamptz and cannot become int"]
    found = findings(tmp_path, projections_ddl={"seen.sql": text.replace("shop_seen", "stock_seen")})
    assert [(finding.file, finding.line, finding.rule) for finding in found] == [("seen.sql", 1, "sql:ownership")]


def test_a_read_model_is_written_by_folds_alone(tmp_path: Path) -> None:
    text = "create table shop_seen (tenant_id text not null primary key, n bigint not null);"
    insert, update = "insert into shop_seen (tenant_id, n) values (:tenant_id, 1)", f"update shop_items set price = 1 {THIS}"
    fold = {"row": (), "cas": None, "rows": 1, "home": "modules/shop/projections.py:3"}
    honest = [Change(insert, **fold), change(update)]
    assert wrong(findings(tmp_path, *honest, projections_ddl={"seen.sql": text})) == []
    found = findings(tmp_path, change(insert), Change(update, **fold), projections_ddl={"seen.sql": text})
    assert [one.text for one in found] == [
        "it writes shop_seen, which only a fold may write",
        "a fold writes shop_items, which no projection owns",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("drop table shop_a;", "the previous release cannot run on it: it drops table shop_a"),
        ("alter table shop_a drop column b;", "the previous release cannot run on it: it drops column b of shop_a"),
        ("alter table shop_a rename column b to c;", "the previous release cannot run on it: it renames a column of shop_a"),
        ("alter table shop_a rename to shop_b;", "the previous release cannot run on it: it renames shop_a"),
        (
            "-- contract: nobody reads it\nalter table shop_a drop b;",
            "it drops column b of shop_a, and its excuse names no release or no reason",
        ),
        (
            "-- contract: 1.3.0\nalter table shop_a drop b;",
            "it drops column b of shop_a, and its excuse names no release or no reason",
        ),
        (
            "-- contract: 1.4.0 was the last that read it\nalter table shop_a drop b;",
            "it drops column b of shop_a, which release 1.4.0 uses, and this is 1.4.0",
        ),
        ("-- contract: 1.3.0 was the last\nalter table shop_a add c text;", "'-- contract:' excuses nothing"),
        ("-- contract: 1.3.9 was the last that read it\nalter table shop_a drop b;", None),
        ("alter table shop_a add c text;\nalter table shop_a add d text not null default '';", None),
        ("create table shop_c (tenant_id text, b text); drop table shop_c;", None),
    ],
)
def test_what_the_previous_release_needs_is_not_taken_away(tmp_path: Path, text: str, said: str | None) -> None:
    one = module(tmp_path, ddl=TENANT, version="1.4.0")
    (one.folder / "migrations" / "0002_next.sql").write_text(text)
    found = check_sql([one])
    assert [finding.text for finding in found if finding.rule == "sql:contract"] == ([said] if said else [])
    assert {finding.line for finding in found} <= {1, 2}


def test_a_column_that_the_previous_release_does_not_write_is_found_for_each_engine(tmp_path: Path) -> None:
    # The engines refuse it only where there are rows: in production, and not before.
    one = module(tmp_path, ddl=TENANT)
    file = one.folder / "migrations" / "0002_next.sql"
    file.write_text("alter table shop_a add column c text not null;")
    assert [finding.rule for finding in check_sql([one])] == ["sql:contract"]
    file.rename(file.with_name("0002_next.postgres.sql"))
    (one.folder / "migrations" / "0002_next.sqlite.sql").write_text("select 1")
    [found] = check_sql([one])
    assert (found.rule, Path(found.file).name) == ("sql:contract", "0002_next.postgres.sql")
    assert "adds a column to shop_a that the previous release does not write" in found.text
