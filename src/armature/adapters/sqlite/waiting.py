"""Who waits for the writer, and what came of it."""

import asyncio
from contextvars import Context, copy_context
from time import monotonic

from msgspec import Struct, field

from armature.kernel.failure import Failure
from armature.kernel.refusals import Unavailable, UnknownOutcome
from armature.ports.database import Committed, Decide, Owner, Unit, Verdict

__all__ = ["Batch", "Outcome", "Script", "Turn", "Waiting", "Write", "settle"]

Outcome = Verdict | BaseException
"""A verdict, or what to raise."""


class Write(Struct, eq=False):
    """A unit that is ready to be written."""

    done: "asyncio.Future[Verdict]"
    owner: Owner
    unit: Unit
    long: bool
    """Too long for the event loop."""


class Turn(Struct, eq=False):
    """A command that wants to decide again while nobody else writes."""

    done: "asyncio.Future[Verdict]"
    owner: Owner
    decide: Decide
    context: Context = field(default_factory=copy_context)
    """The caller's: what it logs and traces while it decides is its own."""


class Script(Struct, eq=False):
    """Statements that are no units; they run as a transaction of their own."""

    done: "asyncio.Future[None]"
    text: str


Waiting = Write | Turn | Script


class Batch(Struct, eq=False):
    """What one transaction carries."""

    entries: list[tuple[Write | Turn, Unit | None, Outcome]] = field(default_factory=list)
    dirty: bool = False
    """A unit failed after it had written: all must be judged again."""
    careful: bool = False
    """That has happened; from then on each gets a savepoint of its own."""
    started: float = field(default_factory=monotonic)

    def add(self, waiting: Write | Turn, unit: Unit | None, outcome: Outcome) -> None:
        self.entries.append((waiting, unit, outcome))

    def answer(self) -> None:
        """Tell everybody; only called when the transaction is durable or gone."""
        for waiting, _, outcome in self.entries:
            settle(waiting, outcome)

    def fail(self, error: Exception) -> None:
        """Tell everybody that nothing was done, or that nobody knows."""
        for waiting, _, outcome in self.entries:
            if isinstance(error, UnknownOutcome) and not isinstance(outcome, Committed):
                settle(waiting, Unavailable(what="database: its transaction failed, and this unit had lost before that"))
            else:
                # A raised error collects the frames it passes; shared, it would collect everybody's.
                settle(waiting, type(error)(**error.values()) if isinstance(error, Failure) else error)


def settle(waiting: Write | Turn, outcome: Outcome) -> None:
    """Answer one caller, who may have left."""
    if waiting.done.done():
        return
    if isinstance(outcome, BaseException):
        waiting.done.set_exception(outcome)
    else:
        waiting.done.set_result(outcome)
