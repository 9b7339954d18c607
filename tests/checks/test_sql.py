"""Each rule of `check sql` catches the mistake it was made for, and lets its honest neighbour pass."""

import re
from pathlib import Path
from uuid import UUID

import pytest

from armature.checks.sql import check_sql, sql_module
from armature.kernel.statement import Change, Statement, change, select
from tests.checks.shop import Colour, Item, Rich, findings, module, wrong

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
    (select(str, f"select name {ALL} and set_config('role', 'none', true) = ''"), "sql:rights 'set_config' changes"),
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
