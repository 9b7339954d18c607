"""A whole batch in one statement that is its own transaction: lock and check, keys and events, writes, commit (laws 4).

For units of one changing statement. Nothing is written unless every unit finds its row as expected, free, and named by no other
unit of the batch: the function that writes keys and events is called once for the one row of `armature_fine`, which is there
only then. Where a key is known already, or a write does not find its row after all, the last line divides by zero, so that
nothing of the statement stays. Whoever gets no answer goes the long way, where each is judged by itself.

Policies learn the tenants as in `shared_form`: the arrays are there only after `set_config` has been worked out, and a row of
the table is looked at only from a row of the arrays. Were the order ever another one, nobody would find its row.
"""

from collections.abc import Callable, Sequence

from msgspec import Struct

from armature.adapters.postgres.arrays import ArrayText, array_writer
from armature.adapters.postgres.outbox import telling

__all__ = ["Express", "express_form"]


class Express(Struct, frozen=True, eq=False):
    """The statement, and what writes the columns of its units' values. The number of units follows them, then whose they are."""

    sql: str
    writers: tuple[ArrayText, ...]


def express_form(types: Sequence[str], table: str, how: str, condition: str, write: Callable[[str], str]) -> Express | None:
    """Return the form for a change; None where a value has no place in it.

    `condition` names the values `armature_u.p0` …; `how` is the lock; `write` makes the change over `armature_locked` under the
    name of `armature_u`, given a further condition. It finds its rows where the lock found them: how many units there will be is
    unknown to the planner, which would rather read a whole table of some thousand rows.
    """
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
), armature_locked as materialized (
select armature_u.*, place from armature_u cross join lateral (
select {table}.ctid as place from {table} where {condition} for {how} of {table} skip locked) armature_row
), armature_fine as materialized (
select true as fine where (select count(*) = ${units}::bigint and count(distinct place) = ${units} from armature_locked)
), armature_told as materialized (
select told.* from armature_fine cross join lateral {telling(units + 2, "armature_fine.fine")} told
), armature_written as (
{write(f"{table}.ctid = armature_u.place and (select cardinality(twins) = 0 from armature_told)")}
returning armature_u.n
)
select ids, 1 / (case when cardinality(twins) = 0 and (select count(*) from armature_written) = ${units}
                       then 1 else 0 end), extract(epoch from clock_timestamp() - statement_timestamp())::float8
  from armature_told
"""
    return Express(sql, writers)
