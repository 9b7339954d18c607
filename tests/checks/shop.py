"""A shop and its neighbour: the tables on which statements, right and wrong, are tried."""

from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import Meta, Struct

from armature.checks.finding import Finding
from armature.checks.sql import SqlModule, check_sql
from armature.kernel.statement import Statement

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
