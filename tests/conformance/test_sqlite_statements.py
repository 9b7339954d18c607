"""What SQLite keeps of each type, which statements are refused, and which may run on the event loop."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

import apsw
import pytest
from msgspec import Meta, Struct

from armature.adapters.sqlite.plan import compile_plan
from armature.adapters.sqlite.trouble import constraint_name
from armature.engine.shapes import StatementRefused
from armature.kernel.statement import Select, change, select

DDL = """
create table kinds (
    tenant_id text not null, id blob not null, at integer, flag integer, ratio real, price text, mood text, tags text,
    nested text, raw blob, note text, primary key (tenant_id, id)
) strict, without rowid;
create table log (id integer primary key autoincrement, stream text not null, n integer not null, unique (n)) strict;
create unique index log_stream on log (stream, n);
create table owned (id integer primary key, log_id integer references log (id), n integer check (n > 0)) strict;
"""


class Mood(Enum):
    GOOD = "good"


class Point(Struct, frozen=True):
    x: int
    at: UUID


class Kinds(Struct, frozen=True, kw_only=True):
    id: UUID
    flag: bool
    at: datetime
    ratio: float
    price: Annotated[Decimal, Meta(ge=0)]
    mood: Mood
    tags: list[str]
    nested: Point | None
    raw: bytes | None
    note: Literal["a", "b"] | None


SOME = Kinds(
    id=uuid4(), flag=True, at=datetime(2026, 2, 3, 4, 5, 6, 789, UTC), ratio=2.0, price=Decimal("1.10"), mood=Mood.GOOD,
    tags=["ü", "b"], nested=Point(1, uuid4()), raw=b"\0", note="a",
)  # fmt: skip
COLUMNS = "id, at, flag, ratio, price, mood, tags, nested, raw, note"
KEEP = change(
    f"insert into kinds (tenant_id, {COLUMNS}) values ('t', :id, :at, :flag, :ratio, :price, :mood, :tags, :nested, :raw, :note)",
    row=("id",),
)


@pytest.fixture
def db() -> Iterator[apsw.Connection]:
    connection = apsw.Connection(":memory:")
    connection.execute("pragma foreign_keys = on;" + DDL)
    yield connection
    connection.close()


def keep(db: apsw.Connection, **values: Any) -> None:
    plan = compile_plan(db, KEEP)
    db.execute(plan.sql, plan.encode([values[name] for name in KEEP.params]))


def fetch(db: apsw.Connection, statement: Select[Any], *values: Any) -> list[Any]:
    return compile_plan(db, statement).fetch(db.cursor(), values)


def fields(kinds: Kinds) -> dict[str, Any]:
    return {name: getattr(kinds, name) for name in kinds.__struct_fields__}


def test_every_type_comes_back_as_it_went(db: apsw.Connection) -> None:
    keep(db, **fields(SOME))
    keep(db, **(bare := fields(SOME) | {"id": uuid4(), "nested": None, "raw": None, "note": None}))
    statement = select(Kinds, f"select {COLUMNS} from kinds where tenant_id = 't' and id in (:ids) order by note nulls last")
    assert fetch(db, statement, [SOME.id, bare["id"], None]) == [SOME, Kinds(**bare)]
    assert fetch(db, statement, []) == []
    assert fetch(db, select(UUID, "select id from kinds where at = :at and note is not null"), SOME.at) == [SOME.id]
    (kept,) = db.execute("select typeof(id), typeof(at), typeof(flag), typeof(price), nested ->> 'x' from kinds where note = 'a'")
    assert kept == ("blob", "integer", "integer", "text", 1)


def test_a_time_is_the_same_moment_in_every_zone_and_none_is_refused(db: apsw.Connection) -> None:
    elsewhere = SOME.at.astimezone(timezone(timedelta(hours=5, minutes=30)))
    keep(db, **fields(SOME) | {"at": elsewhere})
    assert fetch(db, select(datetime, "select at from kinds")) == [SOME.at]
    with pytest.raises(TypeError, match=r"test_sqlite_statements.py:\d+: parameter 'at': .*no time zone"):
        keep(db, **fields(SOME) | {"at": datetime(2026, 1, 1)})


def test_a_null_where_the_type_knows_none_is_named(db: apsw.Connection) -> None:
    keep(db, **fields(SOME) | {"at": None})
    with pytest.raises(TypeError, match=r"column 'at' is NULL.*\| None"):
        fetch(db, select(Kinds, f"select {COLUMNS} from kinds"))


@pytest.mark.parametrize(
    ("shape", "text", "words"),
    [
        (UUID, "select at from kinds", "a UUID is kept in a column of type blob, this one is integer"),
        (str, "select id from kinds", "a str is kept in a column of type text"),
        (int, "select id, at from kinds", "is one value, the select has 2 columns: id, at"),
        (Point, "select 1 as x, 2 as x, id as at from kinds", "column 'x' is there twice"),
        (int, "select at from nowhere", "no such table: nowhere"),
        (int, "select at from kinds where at = :n and at in (:n)", "'n' is a list"),
    ],
)
def test_a_select_that_does_not_fit_is_refused_with_its_place(db: apsw.Connection, shape: Any, text: str, words: str) -> None:
    statement = select(shape, text)
    with pytest.raises(StatementRefused) as refused:
        compile_plan(db, statement)
    assert words in str(refused.value)
    assert str(refused.value).startswith(statement.home)


@pytest.mark.parametrize("text", ["update or rollback log set n = 1", "delete from log where n = 1 returning id"])
def test_a_change_that_breaks_a_batch_is_refused(db: apsw.Connection, text: str) -> None:
    with pytest.raises(StatementRefused):
        compile_plan(db, change(text))


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("select n from log where id = :a", True),
        ("select n from log l where l.id in (:a)", True),
        ("select n from log where stream = :a and n = :b", True),
        ("select a.at from kinds a where a.tenant_id = :a and a.id = :b", True),
        ("select k.at from log as l join kinds as k on k.tenant_id = l.stream and k.id = :b where l.id = :a", True),
        ("select coalesce(max(id), 0) from log", True),
        ("select n from log where stream = :a limit 30", True),
        ("select 1", True),
        ("with ask (k) as (values (:a)) select n from ask join log on log.id = ask.k", True),
        ("select n from log where stream = :a", False),  # one stream may be long
        ("select at from kinds where tenant_id = :a", False),
        ("select n from log where id > :a", False),
        ("select n from log", False),
        ("select n from log limit 30", False),
        ("select at from kinds where tenant_id = :a order by at limit 3", False),  # sorts all of a tenant's rows
        ("select count(*) from kinds where tenant_id = :a and id in (select id from kinds limit 1)", False),
        ("select at from kinds where note = 'limit'", False),
        ("select at from kinds where tenant_id = :a and at > (select n from log where id = 1 limit 1)", False),
    ],
)
def test_only_what_looks_at_few_rows_runs_on_the_loop(db: apsw.Connection, text: str, short: bool) -> None:
    assert compile_plan(db, select(int, text)).short is short


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("insert into log (stream, n) values ('b', 1)", "log_n_key"),
        ("insert into log (id, stream, n) values (1, 'b', 9)", "log_pkey"),
        ("insert into owned (log_id, n) values (77, 1)", "FOREIGN KEY constraint failed"),
        ("insert into owned (n) values (0)", "n > 0"),
        ("insert into log (stream, n) values (null, 3)", "log.stream"),
    ],
)
def test_a_constraint_has_the_name_a_module_maps(db: apsw.Connection, text: str, name: str) -> None:
    db.execute("insert into log (id, stream, n) values (1, 'a', 1)")
    with pytest.raises(apsw.ConstraintError) as refused:
        db.execute(text)
    assert constraint_name(db, refused.value) == name


@pytest.mark.parametrize(("columns", "index"), [("a, b", "pairs_both"), ("lower(a)", "pairs_lower")])
def test_a_unique_index_has_its_own_name(db: apsw.Connection, columns: str, index: str) -> None:
    db.execute(f"create table pairs (a text, b integer); create unique index {index} on pairs ({columns})")
    db.execute("create index pairs_plain on pairs (a, b); insert into pairs values ('x', 1)")
    with pytest.raises(apsw.ConstraintError) as refused:
        db.execute("insert into pairs values ('x', 1)")
    assert constraint_name(db, refused.value) == index
