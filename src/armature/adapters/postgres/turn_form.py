"""What a turn of one change leaves behind, in one statement: look, keys and events, write (laws 4).

The turn holds the row, so nobody can change it between the look and the write. Nothing is written unless the change will find
as many rows as it declares: the function that writes keys and events is called once for the one row of `armature_fine`, which
is there only then. No row comes back from one that has lost, and a twin tells and changes nothing: neither has anything to undo.

The statement can bring the row back as it is now, for the next turn, which will ask for it (`turn_sight`).
"""

from collections.abc import Sequence

from msgspec import Struct, field

from armature.adapters.postgres.outbox import telling
from armature.adapters.postgres.rows import Build
from armature.kernel.statement import Statement

__all__ = ["Sight", "TurnForm", "turn_sql"]

# A trigger may change the row once more.
_STAYS = "not exists (select from pg_trigger where tgrelid = '{table}'::regclass and not tgisinternal)"


class Sight(Struct, frozen=True, eq=False):
    """A turn's statement that answers a select, too, if `at` of the select's values are the name of the change's row."""

    sql: str
    at: tuple[int, ...]
    build: Build


class TurnForm(Struct, frozen=True, eq=False):
    """A change as a turn makes it."""

    sql: str
    table: str
    named: tuple[str, ...]
    """The columns that name the row, where the change can show it as it is then."""
    showing: tuple[str, str, int, int]
    """What `turn_sql` is made of."""
    sights: dict[Statement, Sight] = field(default_factory=dict)
    """By the select that is answered."""


def turn_sql(table: str, parts: tuple[str, str, int, int], columns: Sequence[str] = ()) -> str:
    """Return the statement: it answers how many rows were changed, `columns` of the one that was, ids, twins, transaction, and
    whether the row stays like that.

    `parts` are the change without its condition, the condition, how many rows it must find, and the place of the first value
    that is not its own: there begin those of keys and events.
    """
    change, condition, rows, first = parts
    seen = "".join([f'armature_written."{column}", ' for column in columns])
    return f"""
with armature_fine as materialized (
select true as fine where (select count(*) from {table} where {condition}
) = {rows}
), armature_told as materialized (
select ids, twins, transaction from armature_fine cross join lateral {telling(first, "armature_fine.fine")} armature_answer
), armature_written as (
{change} where ({condition}
) and (select twins = '{{}}' from armature_told)
returning {", ".join([f'{table}."{column}"' for column in columns]) or "1"}
)
select (select count(*) from armature_written), {seen}armature_told.ids, armature_told.twins, armature_told.transaction,
       {_STAYS.format(table=table) if columns else "false"}
  from armature_told{" left join armature_written on true" if columns else ""}
"""
