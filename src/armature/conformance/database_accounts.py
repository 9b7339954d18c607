"""The accounts with which the laws of a database are tried: one table, and every kind of statement on it.

The DDL uses only words that every engine knows, so an adapter brings nothing but itself and the framework's own tables.
"""

from msgspec import Struct

from armature.conformance.database_told import OF_THE_LOG
from armature.kernel.statement import Statement, change, select

__all__ = [
    "ALL",
    "AMONG",
    "BY_ID",
    "CLEAR",
    "CLEAR_TWO",
    "KEY",
    "OPEN",
    "OPEN_ONCE",
    "SAVE",
    "STATEMENTS",
    "SUM",
    "TABLES",
    "TENANT",
    "Account",
]

TENANT = "laws"

TABLES = """
create table law_accounts (
    tenant_id text    not null,
    id        text    not null,
    name      text    not null,
    value     integer not null,
    version   integer not null,
    primary key (tenant_id, id)
);
create unique index law_accounts_name on law_accounts (tenant_id, name);
"""


class Account(Struct, frozen=True):
    """What the laws count with."""

    id: str
    value: int
    version: int


class KeyFound(Struct, frozen=True):
    """What a key row remembers."""

    outcome: bytes
    last_id: int | None


BY_ID = select(Account, "select id, value, version from law_accounts where tenant_id = :tenant_id and id = :id")
ALL = select(Account, "select id, value, version from law_accounts where tenant_id = :tenant_id order by id")
SUM = select(int, "select coalesce(sum(value), 0) from law_accounts where tenant_id = :tenant_id")
AMONG = select(Account, "select id, value, version from law_accounts where tenant_id = :tenant_id and id in (:ids)")
KEY = select(KeyFound, "select outcome, last_id from armature_keys where tenant_id = :tenant_id and scope = :scope")
OPEN = change(
    "insert into law_accounts (tenant_id, id, name, value, version) values (:tenant_id, :id, :name, :value, 1)", row=("id",)
)
OPEN_ONCE = change(
    """
insert into law_accounts (tenant_id, id, name, value, version) values (:tenant_id, :id, :name, :value, 1)
    on conflict (tenant_id, id) do nothing
""",
    row=("id",),
)
SAVE = change(
    """
update law_accounts set value = :value, version = :version
 where tenant_id = :tenant_id and id = :id and version = :expected
""",
    row=("id",),
    cas="expected",
    rows=1,
)
CLEAR = change("update law_accounts set value = 0, version = version + 1 where tenant_id = :tenant_id", rows=None)
CLEAR_TWO = change("update law_accounts set value = 0, version = version + 1 where tenant_id = :tenant_id", rows=2)

STATEMENTS: tuple[Statement, ...] = (BY_ID, ALL, SUM, AMONG, KEY, OPEN, OPEN_ONCE, SAVE, CLEAR, CLEAR_TWO, *OF_THE_LOG)
