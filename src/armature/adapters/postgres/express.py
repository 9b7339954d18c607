"""A whole batch in one statement that is its own transaction: lock and check, keys and events, writes, commit (laws 4).

For units of one changing statement. Who does not find its row as expected and free has lost and is left out: other processes
write the same rows, and nobody shall go the long way for a neighbour. The function that writes keys and events is called once for
the one row of `armature_fine`, which is there unless two units name one row. Where a key is known already the function fails, and
where a write does not find its row after all the last line divides by zero, so that nothing of the statement stays. Whoever gets
no answer goes the long way, where each is judged by itself.

Policies learn the tenants as in `shared_form`: the arrays are there only after `set_config` has been worked out, and a row of
the table is looked at only from a row of the arrays. Were the order ever another one, nobody would find its row.
"""

from collections.abc import Callable, Sequence

from msgspec import Struct

from armature.adapters.postgres.arrays import ArrayText, array_writer
from armature.adapters.postgres.outbox import telling_fresh

__all__ = ["Express", "express_form", "express_insert"]


class Express(Struct, frozen=True, eq=False):
    """The statement, and what writes the columns of its units' values. The number of units follows them, then whose they are."""

    sql: str
    writers: tuple[ArrayText, ...]


def express_form(types: Sequence[str], table: str, how: str, condition: str, write: Callable[[str], str]) -> Express | None:
    """Return the form for a change; None where a value has no place in it.

    `condition` names the values `armature_u.p0` …; `how` is the lock; `write` makes the change over `armature_locked` under the
    name of `armature_u`, given which rows. It finds them where the lock found them: how many units there will be is unknown to
    the planner, which would rather read a whole table of some thousand rows.
    """
    units = len(types) + 1
    return _whole(
        types,
        f"""
armature_locked as materialized (
select armature_u.*, place from armature_u cross join lateral (
select {table}.ctid as place from {table} where {condition} for {how} of {table} skip locked) armature_row
), armature_fine as materialized (
select count(*) as found, case when count(*) < ${units}::bigint then coalesce(array_agg(n::integer), '{{}}') end as alive
  from armature_locked having count(distinct place) = count(*)
)""",
        f"""{write(f"{table}.ctid = armature_u.place and (select true from armature_told)")}
returning armature_u.n""",
    )


def express_insert(types: Sequence[str], into: str, values: str) -> Express | None:
    """Return the form for an insert; None where a value has no place in it. `into` is the table with its columns.

    Whoever finds its name taken, also by a neighbour, undoes all of them, and they go the long way.
    """
    return _whole(
        types,
        f"""
armature_fine as materialized (select ${len(types) + 1}::bigint as found, null::integer[] as alive)""",
        f"""insert into {into} select {values} from armature_u where (select true from armature_told)
 order by armature_u.n on conflict do nothing returning 1""",
    )


def _whole(types: Sequence[str], fine: str, written: str) -> Express | None:
    """Put together a row for each unit, `armature_fine` (how many take part, and which), the call, and the writes."""
    writers = tuple([writer for writer in map(array_writer, types) if writer is not None])
    if len(writers) < len(types):
        return None
    columns = ", ".join(f"p{n}" for n in range(len(types)))
    arrays = [f"${n}::text::{held}[]" for n, held in enumerate(types, 1)]
    units = len(types) + 1
    arrays[0] = f"case when set_config('app.tenants', ${units + 1}, true) is not null then {arrays[0]} end"
    sql = f"""
with armature_u as materialized (
select * from unnest({", ".join(arrays)}) with ordinality as armature_units ({columns}, n)
), {fine.strip()}, armature_told as materialized (
select ids, alive, known, found from armature_fine cross join lateral {telling_fresh(units + 2, "armature_fine.alive")}
), armature_written as (
{written}
)
select ids, alive, known, extract(epoch from clock_timestamp() - statement_timestamp())::float8,
       1 / (case when (select count(*) from armature_written) = found then 1 else 0 end)
  from armature_told
"""
    return Express(sql, writers)
