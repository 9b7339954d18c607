"""The unit of work as a module sees it: read now, plan now, commit once at the end."""

from typing import Any, Protocol, TypeVar

from msgspec import Struct

from armature.kernel.event import Event
from armature.kernel.failure import Failure
from armature.kernel.statement import Ask, Change, Select

__all__ = ["PlannedTwice", "ReadAfterPlan", "UnitTooLarge", "Work", "WorkMisuse"]

R = TypeVar("R")


class Work(Protocol):
    """What one operation reads and, in a command, plans.

    Reads of a command are separate statements and may see different states; what a decision rests on is therefore written
    with its version or guarded (laws 1). `:tenant_id` is bound by the work, never by a caller.
    """

    async def one(self, statement: Select[R], *, refuse: type[Failure] | None = None, **params: Any) -> R:
        """Return the one row. None found raises `refuse`, filled from the parameters of the same names."""
        ...

    async def maybe(self, statement: Select[R], **params: Any) -> R | None:
        """Return the row or None."""
        ...

    async def all(self, statement: Select[R], **params: Any) -> list[R]:
        """Return every row."""
        ...

    async def read(self, *asks: Ask[Any], stale_ok: bool = False) -> tuple[list[Any], ...]:
        """Return the rows of several selects as of one state."""
        ...

    def plan(self, statement: Change, source: Struct | None = None, /, **params: Any) -> None:
        """Plan a write. Its `:names` are bound from `params`, then from the fields of `source`."""
        ...

    def guard(self, statement: Select[Any], **params: Any) -> None:
        """Plan a check: the select must still return a row at commit, or the command runs again."""
        ...

    def publish(self, *events: Event) -> None:
        """Plan events; they are recorded in the same commit, in this order."""
        ...


class WorkMisuse(Exception):
    """A bug in a module's use of the work, never a conflict: repeated, it would fail for ever."""


class ReadAfterPlan(WorkMisuse):
    """A table was read for which this unit has already planned a write; the read would not see it (laws 3)."""


class PlannedTwice(WorkMisuse):
    """One row was planned twice with a version; only the first could win (laws 3)."""


class UnitTooLarge(WorkMisuse):
    """The unit holds more than one commit may carry; do the work as a job in chunks (laws 4)."""
