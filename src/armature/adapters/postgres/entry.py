"""A unit that waits, with what is known of its kind.

Units of one operation have the same statements in the same order. What follows from that (may it be merged, which rows must
be looked at, where its tenants stand) is worked out once for each such shape.
"""

import asyncio
from collections.abc import Callable, Hashable, Sequence
from datetime import datetime
from time import monotonic
from typing import Any

from msgspec import Struct

from armature.adapters.postgres.write_plan import ChangePlan, GuardPlan, Lock, WritePlans
from armature.kernel.statement import Statement
from armature.ports.database import Conflict, Owner, Unit, Verdict

__all__ = ["Answered", "Claim", "Entry", "Lookup", "Outcome", "Shape", "Shapes"]

Outcome = Verdict | BaseException
"""A verdict, or what to raise."""

Answered = tuple[str, bytes, datetime]
"""A key that was committed: its tenant, its scope, and until when it lives."""

_MERGED_STATEMENTS_MAX = 8
_SHAPES_MAX = 4_096


class Entry:
    """A unit on its way. Values are as the driver takes them; a value that has no place is refused here, to its caller."""

    __slots__ = (
        "apart",
        "behind",
        "claims",
        "done",
        "failing",
        "guards",
        "outcome",
        "owner",
        "shape",
        "unit",
        "unsure",
        "writes",
    )

    def __init__(self, done: "asyncio.Future[Verdict]", owner: Owner, unit: Unit, shape: "Shape") -> None:
        self.done = done
        self.owner = owner
        self.unit = unit
        self.shape = shape
        self.writes = [plan.encode(values) for plan, (_, values) in zip(shape.changes, unit.writes, strict=True)]
        self.guards = [plan.encode(values) for plan, (_, values) in zip(shape.guards, unit.guards, strict=True)]
        self.behind: list[Entry] = []
        """Who would be in vain if this one is committed: of the same key, or decided on the same version of a row."""
        self.claims: Sequence[Claim] = ()
        self.apart = False
        """It was in a batch that took too long, and goes out alone."""
        self.outcome: Outcome | None = None
        self.failing: Statement | None = None
        self.unsure = False
        """Its statements meet on a row, so looking at the row beforehand says too little: it is judged as it stands."""

    def settle(self) -> None:
        """Answer the caller, who may have left."""
        if self.done.done():
            return
        if isinstance(self.outcome, BaseException):
            self.done.set_exception(self.outcome)
        elif self.outcome is not None:
            self.done.set_result(self.outcome)

    @property
    def tenants(self) -> set[str]:
        """Whose rows the unit may touch."""
        unit = self.unit
        found = {values[at] for (_, values), at in zip(unit.writes, self.shape.tenants_of_writes, strict=True) if at is not None}
        if unit.guards:
            at_of = self.shape.tenants_of_guards
            found |= {values[at] for (_, values), at in zip(unit.guards, at_of, strict=True) if at is not None}
        if unit.key is not None:
            found.add(unit.key.tenant_id)
        return found


class Claim(Struct, eq=False):
    """The version of a row that the last unit sent for it expects; the unit until it is answered, then the key it had."""

    name: Hashable
    expected: Any
    by: Entry | None
    key: Answered | None = None


class Lookup(Struct, frozen=True, eq=False):
    """A row that a unit must find: by which lock, for which of its statements."""

    lock: Lock
    pick: Callable[[Sequence[Any]], tuple[Any, ...]]
    number: int
    guard: bool
    index: int
    rows: int | None
    sure: bool
    """Nothing that the unit does before this statement can make the row fit."""

    def values(self, entry: Entry) -> tuple[Any, ...]:
        """Return the values that name the row and its state."""
        return self.pick((entry.guards if self.guard else entry.writes)[self.index])

    def conflict(self, entry: Entry) -> Conflict:
        """Say that the unit lost here."""
        if self.guard:
            return Conflict(entry.unit.guards[self.index][0], None)
        statement, values = entry.unit.writes[self.index]
        return Conflict(statement, entry.shape.changes[self.index].row(values))


class Shape:
    """What units with these statements in this order have in common."""

    __slots__ = ("changes", "guards", "locks", "merged", "tenants_of_guards", "tenants_of_writes")

    def __init__(self, changes: tuple[ChangePlan, ...], guards: tuple[GuardPlan, ...]) -> None:
        self.changes = changes
        self.guards = guards
        self.tenants_of_writes = tuple(plan.tenant_at for plan in changes)
        self.tenants_of_guards = tuple(plan.tenant_at for plan in guards)
        self.merged = (
            len(changes) + len(guards) <= _MERGED_STATEMENTS_MAX
            and all(plan.merged for plan in changes)
            and all(plan.lock for plan in guards)
        )
        self.locks = tuple(_lookups(changes, guards)) if self.merged else ()

    @property
    def slow(self) -> bool:
        """One of its changes was slow lately."""
        return any(plan.slow_until and plan.slow_until > monotonic() for plan in self.changes)


class Shapes:
    """Remembers shapes by their statements."""

    def __init__(self, plans: WritePlans) -> None:
        self._plans = plans
        self._known: dict[Any, Shape] = {}

    def of(self, unit: Unit) -> Shape:
        """Return the unit's shape; refuse a statement that was never bound."""
        statements = (*[one for one, _ in unit.writes], None, *[one for one, _ in unit.guards])
        known = self._known.get(statements)
        if known is None:
            known = Shape(
                tuple([self._plans.change(one) for one, _ in unit.writes]),
                tuple([self._plans.guard(one) for one, _ in unit.guards]),
            )
            # Long units (folds) seldom come twice alike.
            if len(statements) <= _MERGED_STATEMENTS_MAX + 1:
                if len(self._known) >= _SHAPES_MAX:
                    self._known.clear()
                self._known[statements] = known
        return known


def _lookups(changes: tuple[ChangePlan, ...], guards: tuple[GuardPlan, ...]) -> list[Lookup]:
    found: list[Lookup] = []
    for index, guard in enumerate(guards):
        if guard.lock is not None:
            found.append(Lookup(guard.lock.lock, guard.lock.pick, len(found), True, index, None, True))
    for index, plan in enumerate(changes):
        if plan.lock is not None:
            # A unit may make the row that it changes next, or bring it into the state that its next change expects.
            others = [other for other in changes if other is not plan and other.table == plan.table]
            sure = not others or (plan.statement.cas is not None and all(other.lock for other in others))
            found.append(Lookup(plan.lock.lock, plan.lock.pick, len(found), False, index, plan.rows, sure))
    return found
