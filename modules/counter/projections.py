"""What counters look like over time and together: read models built from their events alone."""

from uuid import UUID

from armature import Fold, Projection, Work, change, on, select
from modules.counter.contract import CounterChanged, CounterCreated, CounterDeleted, Line, Totals

ADD_LINE = change(
    """
insert into counter_history (tenant_id, counter_id, version, operation, value, at)
values (:tenant_id, :counter_id, :version, :operation, :value, :occurred_at)
""",
    row=("counter_id", "version"),
)

LINES_AFTER = select(
    Line,
    """
select version, operation, value, at
  from counter_history
 where tenant_id = :tenant_id and counter_id = :counter_id and version > :after
 order by version
 limit :limit
""",
)

ADD_UP = change(
    """
insert into counter_totals (tenant_id, counters, value, changes)
values (:tenant_id, :counters, :delta, :changes)
    on conflict (tenant_id) do update
   set counters = counter_totals.counters + excluded.counters,
       value = counter_totals.value + excluded.value,
       changes = counter_totals.changes + excluded.changes
""",
).adding("counters", "delta", "changes")

TOTALS = select(
    Totals,
    """
select counters, value, changes from counter_totals where tenant_id = :tenant_id
""",
)


class CounterHistory(Projection, name="counter.history", version=1, tables="history.sql", order="stream"):
    """One line for each version of each counter."""

    @on(CounterCreated)
    def created(self, fold: Fold, event: CounterCreated) -> None:
        """Begin the history."""
        fold.plan(ADD_LINE, event, operation="create", value=0)

    @on(CounterChanged)
    def changed(self, fold: Fold, event: CounterChanged) -> None:
        """Add a line."""
        fold.plan(ADD_LINE, event)

    @on(CounterDeleted)
    def deleted(self, fold: Fold, event: CounterDeleted) -> None:
        """End the history; the lines stay."""
        fold.plan(ADD_LINE, event, operation="delete")


class CounterTotals(Projection, name="counter.totals", version=1, tables="totals.sql", order="tenant"):
    """The sum over all counters of a tenant."""

    @on(CounterCreated)
    def created(self, fold: Fold, event: CounterCreated) -> None:
        """One more."""
        fold.plan(ADD_UP, counters=1, delta=0, changes=1)

    @on(CounterChanged)
    def changed(self, fold: Fold, event: CounterChanged) -> None:
        """Follow the value."""
        fold.plan(ADD_UP, counters=0, delta=event.delta, changes=1)

    @on(CounterDeleted)
    def deleted(self, fold: Fold, event: CounterDeleted) -> None:
        """One less, and what it held."""
        fold.plan(ADD_UP, counters=-1, delta=-event.value, changes=1)


class CounterViews:
    """Reads of the two projections."""

    async def history(self, work: Work, counter_id: UUID, after: int | None, limit: int) -> list[Line]:
        """Return up to `limit` lines after that version."""
        return await work.all(LINES_AFTER, counter_id=counter_id, after=after or 0, limit=limit)

    async def totals(self, work: Work) -> Totals:
        """Return the totals; a tenant without counters has none."""
        return await work.maybe(TOTALS) or Totals(0, 0, 0)
