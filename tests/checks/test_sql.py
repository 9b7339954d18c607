"""Each rule of `check sql` catches the mistake it was made for, and lets its honest neighbour pass."""

import re
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from msgspec import Meta, Struct

from armature.checks.finding import Finding
from armature.checks.sql import SqlModule, check_sql, sql_module
from armature.kernel.statement import Change, Statement, change, select

TABLES = """
create table shop_items (
    tenant_id text not null,
    id uuid not null,
    name text not null,
    note text,
    price bigint not null,
    sold boolean not null,
    at timestamptz not null,
    extra jsonb not null,
    version bigint not null,
    primary key (tenant_id, id)
);
create unique index shop_item_name on shop_items (tenant_id, name);
create unique index shop_item_id on shop_items (id);
create index shop_item_by_price on shop_items (tenant_id, price);
create table shop_notes (id uuid not null primary key, tenant_id text not null, body text not null);
create table shop_countries (code text not null primary key, name text not null);
"""
STOCK = "create table stock_places (tenant_id text not null, id uuid not null, primary key (tenant_id, id));"


class Colour(Enum):
    RED = "red"


class Item(Struct):
    id: UUID
    name: str


class Rich(Struct):
    id: UUID
    name: Annotated[str, Meta(max_length=9)]
    note: Literal["a", "b"] | None
    price: Annotated[int, Meta(ge=1)]
    sold: bool
    at: datetime
    extra: dict[str, int] | list[Item]


def module(folder: Path, *statements: Statement, name: str = "shop", ddl: str = TABLES, **more: Any) -> SqlModule:
    migrations = folder / name / "migrations"
    migrations.mkdir(parents=True, exist_ok=True)
    (migrations / "0001_create.sql").write_text(ddl)
    tables = {"tables": {"shop_countries": "global"} if ddl == TABLES else {}, **more}
    return SqlModule(name, folder / name, statements, **tables)


def findings(folder: Path, *statements: Statement, **more: Any) -> list[Finding]:
    stock = module(folder, name="stock", ddl=STOCK, tables={})
    return check_sql([stock, module(folder, *statements, **more)])


def wrong(found: list[Finding]) -> list[str]:
    return [f"{one.rule} {one.text}; {one.cure}" for one in found]


HONEST = [
    select(Item, "select id, name from shop_items where tenant_id = :tenant_id and id = :id"),
    select(Rich, "select id, name, note, price, sold, at, extra from shop_items where tenant_id = :tenant_id and name = :name"),
    select(Item, "select id, name from shop_items where tenant_id = :tenant_id and price > :p order by price limit :n"),
    select(Item, "select i.id, i.name from shop_items as i where i.tenant_id = :tenant_id and i.id in (:ids)"),
    select(Item, "select id, name from shop_items where id = :id and tenant_id = :tenant_id"),
    select(int, "select cast(coalesce(sum(price), 0) as bigint) from shop_items where tenant_id = :tenant_id"),
    select(int, "select count(*) from shop_items where tenant_id = :tenant_id"),
    select(str, "select name from shop_countries where code = :code"),
    select(str, "select name from shop_items where (tenant_id, id) = (:tenant_id, :id)"),
    select(str, "select a.name from shop_items a join shop_items b using (tenant_id, id) where b.tenant_id = :tenant_id limit 3"),
    select(int, "select (select count(*) from shop_countries) + count(*) as n from shop_items where :tenant_id = tenant_id"),
    select(int, "select cast(max(price) as bigint) as m from shop_items where tenant_id = :tenant_id group by name limit 3"),
    select(str, "select i.name from shop_countries i order by i.code, i.name limit 5"),
    select(Colour, "select name from shop_items where tenant_id = :tenant_id and id = :id"),
    select(
        Item,
        """
        with cheap as (select id, tenant_id from shop_items where tenant_id = :tenant_id and price < 5 limit 9)
        select i.id, i.name from cheap c join shop_items i on i.tenant_id = c.tenant_id and i.id = c.id limit 9
        """,
    ),
    change(
        """
        insert into shop_items (tenant_id, id, name, note, price, sold, at, extra, version)
        values (:tenant_id, :id, :name, :note, :price, false, :at, :extra, 1)
            on conflict (tenant_id, id) do update set price = shop_items.price + excluded.price
        """
    ),
    change(
        "update shop_items set name = :name, version = :version where tenant_id = :tenant_id and id = :id and version = :was",
        row=("id",),
        cas="was",
    ),
    change("delete from shop_items where tenant_id = :tenant_id and price < :price", rows=None),
]


def test_honest_sql_passes(tmp_path: Path) -> None:
    assert wrong(findings(tmp_path, *HONEST)) == []


THIS = "where tenant_id = :tenant_id and id = :id"
ONE = f"from shop_items {THIS}"
ALL = "from shop_items where tenant_id = :tenant_id"

WRONG: list[tuple[Statement, str]] = [
    # unknown
    (select(str, f"select nmae {ONE}"), "sql:unknown there is no column nmae in shop_items; did you mean name?"),
    (
        select(str, "select name from shop_itms where tenant_id = :tenant_id limit 1"),
        "sql:unknown there is no table shop_itms; did you mean shop_items?",
    ),
    (
        change("insert into shop_items (tenant_id, nmae) values (:tenant_id, :n)"),
        "sql:unknown there is no column nmae in shop_items; did you mean name?",
    ),
    (
        select(str, "select name from shop_items were tenant_id = :tenant_id"),
        'sql:prepare SQLite cannot prepare it: near "tenant_id"',
    ),
    # result
    (select(Item, f"select id {ONE}"), "sql:result Item.name gets no column; select a column of that name"),
    (select(Item, f"select id, name as nam {ONE}"), "sql:result Item.name gets no column; write nam as name"),
    (select(Item, f"select id, name, price {ONE}"), "sql:result column price is no field of Item"),
    (select(Item, f"select id, name, name {ONE}"), "sql:result column name comes twice"),
    (
        select(Item, f"select name as id, name {ONE}"),
        "sql:result column id is text and cannot become UUID; make the field Decimal or str",
    ),
    (select(int, f"select at {ONE}"), "sql:result column at is timestamptz and cannot become int; make the field datetime"),
    (select(int, f"select cast(avg(price) as double) as p {ALL}"), "sql:result column p is double and cannot become int"),
    (select(int, f"select id, price {ONE}"), "sql:result 2 columns (id, price) cannot become one int"),
    # null
    (select(str, f"select note {ONE}"), "sql:null column note may be null (shop_items.note is declared without `not null`)"),
    (select(int, f"select cast(sum(price) as bigint) as total {ALL}"), "sql:null column total may be null (no row, no sum)"),
    (
        select(
            str,
            "select b.name from shop_items a left join shop_items b on b.tenant_id = a.tenant_id and b.id = :b"
            " where a.tenant_id = :tenant_id and a.id = :a",
        ),
        "sql:null column name may be null (an outer join may find no row)",
    ),
    (
        select(
            str,
            "select a.name from shop_items a right join shop_countries b on b.code = a.name and a.tenant_id = :tenant_id limit 1",
        ),
        "sql:null column name may be null (an outer join",
    ),
    (select(Colour, f"select price {ONE}"), "sql:result column price is bigint and cannot become str"),
    # parameters
    (
        change(f"delete {ALL} and name in (:x) and price = :x", rows=None),
        "sql:parameter :x is used for shop_items.price (bigint)",
    ),
    (
        Change(
            "insert into shop_notes (id, tenant_id, body) values (:event_id, :tenant_id, :occurred_at)",
            row=(),
            cas=None,
            rows=1,
            home="modules/shop/projections.py:3",
        ),
        "sql:parameter :occurred_at is datetime, shop_notes.body is text",
    ),
    (
        change("update shop_items set name = :x where tenant_id = :tenant_id and price = :x", rows=None),
        "sql:parameter :x is used for shop_items.price (bigint) and shop_items.name (text)",
    ),
    (change(f"update shop_items set price = :tenant_id {THIS}"), "sql:parameter :tenant_id is used for"),
    (change("insert into shop_items (tenant_id, id, name) values (:tenant_id, :id, :id)"), "sql:parameter :id is used for"),
    (
        change(f"update shop_items set price = 1 {THIS} and :was = name", row=("id",), cas="was"),
        "sql:parameter :was is int, shop_items.name is text",
    ),
    # whose
    (
        select(UUID, f"select id from stock_places {THIS}"),
        "sql:ownership 'stock_places' does not belong to module shop; a module's SQL names only what begins with 'shop_'",
    ),
    (select(UUID, f"select id from nobody_places {THIS}"), "sql:ownership 'nobody_places'"),
    (select(str, "select type from armature_outbox where id = :id"), "sql:ownership 'armature_outbox'"),
    (select(str, "select name from shop_items where id = :id"), "sql:tenant it touches shop_items and does not use :tenant_id"),
    (
        select(
            str, "select b.name from shop_items a join shop_items b on b.id = a.id where a.tenant_id = :tenant_id and a.id = :id"
        ),
        "sql:tenant it brings in 2 times a tenant's table (shop_items) and compares tenant_id 1 times; join with",
    ),
    (
        select(
            str,
            "select b.name from shop_items a join shop_items b on b.tenant_id = a.tenant_id and b.id = a.id"
            " where a.id = :id and :tenant_id = :tenant_id",
        ),
        "sql:tenant it brings in 2 times a tenant's table (shop_items) and compares tenant_id 1 times",
    ),
    (
        select(UUID, "select id from shop_items where id in (select id from shop_notes where tenant_id = :tenant_id limit 9)"),
        "sql:tenant it brings in 2 times",
    ),
    (
        change(
            "insert into shop_items (id, name) select id, body from shop_notes where tenant_id = :tenant_id"
            " on conflict (tenant_id, id) do nothing",
            rows=None,
        ),
        "sql:tenant it brings in 2 times",
    ),
    # how much
    (select(str, "select body from shop_notes where tenant_id = :tenant_id limit 1"), "sql:scan it walks over all of shop_notes"),
    (
        select(str, "select max(name) as name from shop_items where :tenant_id = :tenant_id"),
        "sql:scan it walks over all of shop_items",
    ),
    (
        select(str, "select body from shop_notes where id > :id and :tenant_id = tenant_id limit 1"),
        "sql:scan it walks over rows of other tenants in shop_notes",
    ),
    (
        change("update shop_notes set body = '' where tenant_id = :tenant_id", rows=None),
        "sql:scan it walks over all of shop_notes",
    ),
    (select(str, f"select name {ALL}"), "sql:rows nothing bounds how many rows it returns; add `limit :limit`"),
    (select(str, f"select name {ALL} and price = :p"), "sql:rows"),
    (
        select(
            int,
            "select (select count(*) from shop_items b where b.tenant_id = :tenant_id) as n"
            " from shop_items a where a.tenant_id = :tenant_id",
        ),
        "sql:rows",
    ),
    (select(int, f"select count(*) {ALL} group by price"), "sql:rows"),
    (select(str, f"select name {ALL} order by at limit 5"), "sql:sort it sorts by hand"),
    (select(str, f"select name {ALL} order by note desc limit 5"), "sql:nulls shop_items.note may be null, and engines disagree"),
    (
        select(
            str,
            "select a.name from shop_items a join shop_notes b on b.body = a.name and b.tenant_id = a.tenant_id"
            " where a.tenant_id = :tenant_id and a.price = :p limit 5",
        ),
        "sql:scan it walks over all of shop_notes",
    ),
    (
        select(
            str,
            "select c.name from shop_countries c left join shop_notes b on b.body = c.name and b.tenant_id = c.code"
            " where :tenant_id <> c.code limit 5",
        ),
        "sql:scan it walks over all of shop_notes",
    ),
    # words
    (
        select(int, f"select cast(price as bigint) as p {ONE} and at < now()"),
        "sql:clock 'now' takes time or chance from the engine",
    ),
    (change(f"update shop_items set at = current_timestamp {THIS}"), "sql:clock 'current_timestamp'"),
    (change(f"update shop_items set name = datetime('now') {THIS}"), "sql:clock 'datetime'"),
    (change(f"update shop_items set name = strftime('%Y', 'NOW') {THIS}"), "sql:clock 'strftime'"),
    (change(f"update shop_items set price = random() {THIS}"), "sql:clock 'random'"),
    (
        select(int, f"select coalesce(sum(price), 0) {ALL}"),
        "sql:sum sum(…) is of another type on each engine; write cast(sum(…) as bigint)",
    ),
    (select(float, f"select coalesce(avg(price), 0) {ALL}"), "sql:sum avg(…)"),
    (select(Item, f"select * {ONE}"), "sql:star '*' changes its meaning"),
    (change("insert into shop_countries values (:code, :name)"), "sql:star an insert without its columns"),
    # excuses
    (select(str, f"select name {ONE} -- scan: few rows"), "sql:excuse '-- scan:' excuses nothing"),
    (select(str, "select name from shop_items -- rows:\n where tenant_id = :tenant_id"), "sql:excuse '-- rows:' gives no reason"),
]


@pytest.mark.parametrize(
    ("statement", "expected"), WRONG, ids=[f"{at:02}-{text.split()[0]}" for at, (_, text) in enumerate(WRONG)]
)
def test_a_wrong_statement_is_found_where_it_was_declared(tmp_path: Path, statement: Statement, expected: str) -> None:
    found = findings(tmp_path, statement)
    assert any(text.startswith(expected) for text in wrong(found)), wrong(found)
    assert {f"{one.file}:{one.line}" for one in found} == {statement.home}


def test_one_mistake_is_one_finding(tmp_path: Path) -> None:
    # A mistake that is told three times hides the second one. These are the statements whose mistake has one name.
    noisy = {at: wrong(findings(tmp_path, statement)) for at, (statement, _) in enumerate(WRONG)}
    assert [texts for at, texts in noisy.items() if len(texts) > 3] == []
    assert sum(len(texts) == 1 for texts in noisy.values()) > len(WRONG) * 2 // 3


def test_an_excuse_with_a_reason_is_taken(tmp_path: Path) -> None:
    excused = select(
        str,
        """
        select body from shop_notes -- scan: nightly, on a copy
         -- rows: a tenant has forty
         where tenant_id = :tenant_id
         order by body -- sort: forty rows
        """,
    )
    assert wrong(findings(tmp_path, excused)) == []


def test_a_sort_is_a_warning(tmp_path: Path) -> None:
    [found] = findings(tmp_path, select(str, "select name from shop_items where tenant_id = :tenant_id order by at limit 5"))
    assert found.severity == "warning"


def test_the_engines_own_variant_is_read_too(tmp_path: Path) -> None:
    text = "select name from shop_items where tenant_id = :tenant_id and id = :id"
    found = findings(tmp_path, select(str, text, postgres=text + " and at < now()"))
    assert [one.rule for one in found] == ["sql:clock"]


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


def test_a_modules_folder_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "sqlcheckmodules" / "shop"
    module(tmp_path / "sqlcheckmodules")
    (folder / "module.yaml").write_text("name: shop\nversion: 2.0.0\ntables:\n  shop_countries: global\n")
    (folder / "repository.py").write_text(
        "from armature.kernel.statement import select\n"
        "ONE = select(str, 'select name from shop_countries where code = :code')\n"
        "MANY = {('a', 'b'): [select(str, 'select nam from shop_countries limit 3')]}\n"
    )
    read = sql_module(folder)
    assert (read.version, read.tables, len(read.statements)) == ("2.0.0", {"shop_countries": "global"}, 2)
    assert [f"{Path(one.file).name}:{one.line} {one.text}" for one in check_sql([read])] == [
        "repository.py:3 there is no column nam in shop_countries"
    ]


def test_the_modules_of_this_repository_are_clean() -> None:
    folders = sorted(path.parent for path in (Path(__file__).parents[2] / "modules").glob("*/module.yaml"))
    assert folders and wrong(check_sql([sql_module(folder) for folder in folders])) == []


def test_every_rule_is_explained() -> None:
    root = Path(__file__).parents[2]
    sources = (root / "src/armature/checks/sql").glob("*.py")
    rules = {rule for source in sources for rule in re.findall(r'"(sql:\w+)"', source.read_text())}
    explained = set(re.findall(r"^\| `(sql:\w+)` \|", (root / "docs/reference/sql.md").read_text(), re.MULTILINE))
    assert rules == explained
