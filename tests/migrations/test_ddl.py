"""The portable column words, as SQLite stores them; and the reading of SQL that everything here stands on."""

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from armature.adapters.sqlite.ddl import translate
from armature.engine.ddl import renamed_ddl, sentences, tables, tokens
from armature.ports.migrator import SchemaRefused

ALL_WORDS = """
create table shop_things (
    tenant_id text not null, id uuid not null, -- two on one line, uuid in a comment
    count bigint not null default 0 check (count >= 0),
    weight double,
    sold boolean not null default false,
    at timestamptz,
    extra jsonb not null default '{"uuid": "text"}',
    picture bytea,
    owner uuid references shop_things (id),
    constraint shop_things_weight check (weight > 0),
    primary key (tenant_id, id),
    unique (id)
);
create index shop_by_at on shop_things (tenant_id, at) where sold;
"""


def made(text: str) -> apsw.Connection:
    connection = apsw.Connection(":memory:")
    connection.execute(translate(text, file="0001_x.sql"))
    return connection


def test_each_word_has_its_storage_and_everything_else_stays() -> None:
    connection = made(ALL_WORDS)
    columns = {name: kind for _, name, kind, *_ in connection.execute("pragma table_info('shop_things')")}
    assert columns == {
        "tenant_id": "TEXT", "id": "BLOB", "count": "INTEGER", "weight": "REAL", "sold": "INTEGER", "at": "INTEGER",
        "extra": "TEXT", "picture": "BLOB", "owner": "BLOB",
    }  # fmt: skip
    [(sql,)] = connection.execute("select sql from sqlite_schema where name = 'shop_things'")
    assert "-- two on one line, uuid in a comment" in sql and '\'{"uuid": "text"}\'' in sql
    assert "check (count >= 0)" in sql and "references shop_things (id)" in sql


@pytest.mark.parametrize(
    ("key", "without_rowid"),
    [("id bigint primary key", 0), ("id bigint, primary key (id)", 0), ("id uuid primary key", 1), ("id bigint", 0),
     ("id bigint, n bigint, primary key (id, n)", 1), ("id text not null, primary key (id)", 1),
     ("id uuid primary key, body jsonb", 0), ("id uuid primary key, body bytea", 0)],
)  # fmt: skip
def test_rows_lie_in_the_order_of_their_key_unless_it_is_one_bigint_or_they_are_long(key: str, without_rowid: int) -> None:
    listed = list(made(f"create table shop_things ({key})").execute("pragma table_list('shop_things')"))
    assert listed[0][4:] == (without_rowid, 1)


def test_a_wrong_value_is_refused_by_the_table() -> None:
    connection = made(ALL_WORDS)
    with pytest.raises(apsw.ConstraintError, match="cannot store TEXT value in BLOB column"):
        connection.execute("insert into shop_things (tenant_id, id) values ('t', 'abc')")


def test_an_added_column_is_translated_too() -> None:
    connection = made(ALL_WORDS + "alter table shop_things add column seen timestamptz; alter table shop_things add b boolean;")
    kinds = [row[2] for row in connection.execute("pragma table_info('shop_things')")]
    assert kinds[-2:] == ["INTEGER", "INTEGER"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "create table a (\n  id uuid,\n  n int\n)",
            r"x\.sql:3: column 'n' has the unknown type 'int'; write one of: uuid, text, b",
        ),
        ("create table a (n varchar(10))", "unknown type 'varchar"),
        ("create table a (n double precision)", "unknown type 'double precision'"),
        ("create table a (n)", "column 'n' has no type"),
        ("create table a as select 1", "created without its columns"),
        ("create table a (n bigint) strict", "'strict' after a table's columns is one engine's own"),
        ("create table a (n bigint primary key autoincrement)", "'autoincrement' is one engine's own; take an id from ctx.ids"),
        ("\nalter table a add column n smallint", r"x\.sql:2: column 'n' has the unknown type 'smallint'"),
    ],
)
def test_what_is_not_portable_is_refused_with_its_line(text: str, said: str) -> None:
    with pytest.raises(SchemaRefused, match=said):
        translate(text, file="x.sql")


def test_a_generation_stands_beside_the_other_one() -> None:
    ddl = "create table shop_seen (id uuid primary key, at bigint, constraint shop_seen_at unique (at));\n"
    ddl += "create index if not exists shop_by_at on shop_seen (at) where at > 0; -- shop_seen, the first\n"
    connection = made(ddl)
    connection.execute(translate(renamed_ddl(ddl, {"shop_seen": "shop_seen__7"}), file="x.sql"))
    names = {name for (name,) in connection.execute("select name from sqlite_schema where sql is not null")}
    assert names == {"shop_seen", "shop_by_at", "shop_seen__7", "shop_by_at__7"}
    assert tables(ddl) == ["shop_seen"]


def test_two_tables_of_one_projection_are_renamed_together() -> None:
    ddl = "create table a_x (id uuid primary key); create table a_y (x uuid references a_x (id)); create index a_i on a_y (x);"
    assert renamed_ddl(ddl, {"a_x": "a_x__2", "a_y": "a_y__2"}) == (
        "create table a_x__2 (id uuid primary key); create table a_y__2 (x uuid references a_x__2 (id));"
        " create index a_i__2 on a_y__2 (x);"
    )


def test_a_triggers_body_is_one_sentence() -> None:
    text = "create trigger t after insert on a begin update a set n = 1; delete from b; end;\nselect ';', \";\" -- ;\n;"
    assert [(one.line, one.words[0]) for one in sentences(text)] == [(1, "create"), (2, "select")]


@given(st.text(alphabet="ab'\"-/*;$ \n(,)", max_size=60))
def test_no_text_is_lost_or_invented(text: str) -> None:
    found = list(tokens(text))
    assert "".join(token.text for token in found) == text
    assert all(token.line == text[: token.start].count("\n") + 1 for token in found)


def test_a_trigger_without_a_body_ends_at_its_semicolon() -> None:
    text = "drop trigger a;\ncreate trigger b before insert on c for each row execute function d();\nselect 1;"
    assert [sentence.words[0] for sentence in sentences(text)] == ["drop", "create", "select"]


def test_a_body_between_begin_and_end_is_one_sentence() -> None:
    text = "create function a() returns int begin atomic select 1; select 2; end;\nselect 3;"
    assert [sentence.words[0] for sentence in sentences(text)] == ["create", "select"]
