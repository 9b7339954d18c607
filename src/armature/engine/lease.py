"""A lease in the database: one process at a time does a thing, and one that slept through its end can no longer write.

The belief to hold it is only good for not working in vain. What makes it safe is the guard: each unit of the holder carries
it, and commits only while the row says the same holder, the same term, and time left on the database's clock.
"""

from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Any

from armature.engine.generations import unit
from armature.engine.lease_core import LeaseCore, LeaseRow
from armature.kernel.failure import Failure
from armature.kernel.statement import Statement, change, select
from armature.ports.database import Bound, Committed, Database

__all__ = ["LEASE_STATEMENTS", "Lease"]

# `clock_timestamp` and not `now()`: a transaction's time stands still while it waits for locks.
READ = select(
    LeaseRow,
    """
select holder, term, expires_at - (extract(epoch from clock_timestamp()) * 1000000)::bigint as left_micros
  from armature_leases
 where name = :name
""",
    sqlite="""
select holder, term, expires_at - cast(unixepoch('subsec') * 1000000 as integer) as left_micros
  from armature_leases
 where name = :name
""",
)

CREATE = change(
    """
insert into armature_leases (name, holder, term, expires_at)
values (:name, :holder, 1, (extract(epoch from clock_timestamp()) * 1000000)::bigint + :ttl_micros)
    on conflict (name) do nothing
""",
    sqlite="""
insert into armature_leases (name, holder, term, expires_at)
values (:name, :holder, 1, cast(unixepoch('subsec') * 1000000 as integer) + :ttl_micros)
    on conflict (name) do nothing
""",
)

# Only a lapsed lease changes hands, and the term of the row that was read must be its term still. Lapsed is also one with more
# left than anybody ever took: the database's clock was set back since, and a holder that died before would have it until then.
TAKE = change(
    """
update armature_leases
   set holder = :holder, term = term + 1,
       expires_at = (extract(epoch from clock_timestamp()) * 1000000)::bigint + :ttl_micros
 where name = :name and term = :term
   and (expires_at <= (extract(epoch from clock_timestamp()) * 1000000)::bigint
        or expires_at > (extract(epoch from clock_timestamp()) * 1000000)::bigint + :absurd_micros)
""",
    row=("name",),
    sqlite="""
update armature_leases
   set holder = :holder, term = term + 1, expires_at = cast(unixepoch('subsec') * 1000000 as integer) + :ttl_micros
 where name = :name and term = :term
   and (expires_at <= cast(unixepoch('subsec') * 1000000 as integer)
        or expires_at > cast(unixepoch('subsec') * 1000000 as integer) + :absurd_micros)
""",
)

RENEW = change(
    """
update armature_leases
   set expires_at = (extract(epoch from clock_timestamp()) * 1000000)::bigint + :ttl_micros
 where name = :name and holder = :holder and term = :term
   and expires_at > (extract(epoch from clock_timestamp()) * 1000000)::bigint
""",
    row=("name",),
    sqlite="""
update armature_leases
   set expires_at = cast(unixepoch('subsec') * 1000000 as integer) + :ttl_micros
 where name = :name and holder = :holder and term = :term
   and expires_at > cast(unixepoch('subsec') * 1000000 as integer)
""",
)

RELEASE = change(
    """
update armature_leases set expires_at = 0 where name = :name and holder = :holder and term = :term
""",
    row=("name",),
)

GUARD = select(
    int,
    """
select 1 as held
  from armature_leases
 where name = :name and holder = :holder and term = :term
   and expires_at > (extract(epoch from clock_timestamp()) * 1000000)::bigint
""",
    sqlite="""
select 1 as held
  from armature_leases
 where name = :name and holder = :holder and term = :term
   and expires_at > cast(unixepoch('subsec') * 1000000 as integer)
""",
)

LEASE_STATEMENTS: tuple[Statement, ...] = (READ, CREATE, TAKE, RENEW, RELEASE, GUARD)


class Lease:
    """One process's hold of the lease `name`. `holder` is a name that no other process ever had: host, process, start."""

    def __init__(
        self, database: Database, name: str, holder: str, ttl_seconds: float, clock: Callable[[], float] = monotonic
    ) -> None:
        self.name = name
        self.ttl_seconds = ttl_seconds
        self._database = database
        self._clock = clock
        self._core = LeaseCore(holder, ttl_seconds)
        micros = {"ttl_micros": round(ttl_seconds * 1_000_000), "absurd_micros": self._core.absurd_micros}
        self._values: dict[str, Any] = {"name": name, "holder": holder, **micros}
        database.bind(LEASE_STATEMENTS)

    @property
    def term(self) -> int | None:
        """The term under which the lease is believed to be held, None when it is not."""
        return self._core.term if self._core.trusts(self._clock()) else None

    async def hold(self) -> int | None:
        """Take or renew the lease where it is time; return its term, None while somebody else holds it.

        Called before each step of work. Asks the database only when a third of the lease has passed.
        """
        started = self._clock()
        if self._core.due(started):
            try:
                await self._ask(started)
            except Failure:
                if self.term is None:
                    raise
        return self.term

    def guard(self) -> Bound:
        """Return what each unit of the holder carries among its guards."""
        return self._bound(GUARD, self._core.term)

    async def release(self) -> None:
        """Give the lease back, so that the next holder need not wait for its end."""
        if self.term is not None:
            term = self._core.term
            self._core.lost()
            with suppress(Failure):  # it ends by itself
                await self._database.commit(unit([self._bound(RELEASE, term)]))

    async def _ask(self, started: float) -> None:
        (rows,) = await self._database.read(((READ, (self.name,)),))
        row = rows[0] if rows else None
        step = self._core.decide(row)
        if step == "wait":
            self._core.lost()
            return
        before = row.term if row is not None else 0
        verdict = await self._database.commit(unit([self._bound({"create": CREATE, "take": TAKE, "renew": RENEW}[step], before)]))
        if isinstance(verdict, Committed):
            self._core.won(before if step == "renew" else before + 1, started)
        elif step != "renew":
            # A renewal that lost may have met a guard of one's own on the row: the belief ends by itself.
            self._core.lost()

    def _bound(self, statement: Statement, term: int) -> Bound:
        values = self._values | {"term": term}
        return statement, tuple(values[name] for name in statement.params)
