"""The SQL of counters: this module's tables and no other's."""

from typing import Literal
from uuid import UUID

from armature import Work, change, select
from modules.counter.contract import Counter, CounterNotFound

BY_ID = select(
    Counter,
    """
select id, name, note, value, version
  from counter_counters
 where tenant_id = :tenant_id and id = :counter_id
""",
)

# Ids are UUIDv7, so their order is the order of creation, and a page's end is just the last id seen.
AFTER = select(
    Counter,
    """
select id, name, note, value, version
  from counter_counters
 where tenant_id = :tenant_id and id > :after
 order by id
 limit :limit
""",
)

COUNT = select(
    int,
    """
select cast(count(*) as bigint) from counter_counters where tenant_id = :tenant_id
""",
)


def _numbered(order_by: str) -> str:
    return f"""
select id, name, note, value, version
  from counter_counters
 where tenant_id = :tenant_id
 order by {order_by}
 limit :size offset :offset
"""


# One statement for each order that may be asked for: the allow-list is the code.
NUMBERED = {
    ("created", "asc"): select(Counter, _numbered("id asc")),
    ("created", "desc"): select(Counter, _numbered("id desc")),
    ("name", "asc"): select(Counter, _numbered("name asc, id asc")),
    ("name", "desc"): select(Counter, _numbered("name desc, id desc")),
    ("value", "asc"): select(Counter, _numbered("value asc, id asc")),
    ("value", "desc"): select(Counter, _numbered("value desc, id desc")),
}

ADD = change(
    """
insert into counter_counters (tenant_id, id, name, note, value, version)
values (:tenant_id, :id, :name, :note, :value, :version)
""",
    row=("id",),
)

# The version in the where clause is the whole concurrency control: of two callers who decided
# on the same version, one touches no row, and its command runs again on the new state.
SAVE = change(
    """
update counter_counters
   set name = :name, note = :note, value = :value, version = :version
 where tenant_id = :tenant_id and id = :id and version = :expected
""",
    row=("id",),
    cas="expected",
)

REMOVE = change(
    """
delete from counter_counters
 where tenant_id = :tenant_id and id = :id and version = :expected
""",
    row=("id",),
    cas="expected",
)

FIRST = UUID(int=0)

Sort = Literal["name", "value", "created"]
Order = Literal["asc", "desc"]


class CounterRepository:
    """Reads and plans; the unit of work decides when anything happens."""

    async def get(self, work: Work, counter_id: UUID) -> Counter:
        """Return a counter or refuse."""
        return await work.one(BY_ID, counter_id=counter_id, refuse=CounterNotFound)

    async def after(self, work: Work, after: UUID | None, limit: int) -> list[Counter]:
        """Return up to `limit` counters that were created after that one."""
        return await work.all(AFTER, after=after or FIRST, limit=limit)

    async def numbered(self, work: Work, sort: Sort, order: Order, page: int, size: int) -> tuple[list[Counter], int]:
        """Return one page and the number of all counters, as of one state."""
        items, count = await work.read(NUMBERED[sort, order](size=size, offset=page * size), COUNT())
        return items, count[0]

    def add(self, work: Work, counter: Counter) -> None:
        """Plan a new row."""
        work.plan(ADD, counter)

    def save(self, work: Work, counter: Counter, *, expected: int) -> None:
        """Plan the row's next version."""
        work.plan(SAVE, counter, expected=expected)

    def remove(self, work: Work, counter: Counter) -> None:
        """Plan the row's end."""
        work.plan(REMOVE, counter, expected=counter.version)
