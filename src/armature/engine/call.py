"""One call on its way through the pipeline: the context a module sees, and what the pipeline itself remembers of it."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar
from uuid import UUID

import msgspec

from armature.engine.cursors import Cursors
from armature.kernel.page import Page
from armature.kernel.work import Work

__all__ = ["NOBODY", "Call", "Caller", "Identity", "Sources", "Taking"]

T = TypeVar("T")


class Identity(msgspec.Struct, frozen=True):
    """Who calls, as authentication found it."""

    actor: str
    permissions: frozenset[str]
    by_itself: bool = False
    """True for a module that acts without a caller: in a reaction or in the background."""

    def may(self, permission: str) -> bool:
        """Say whether the permission, or every permission, is held."""
        return permission in self.permissions or "*" in self.permissions


NOBODY = Identity("", frozenset())


class Caller(Protocol):
    """The far end of a call; an edge knows whether it still listens."""

    @property
    def gone(self) -> bool:
        """True when nobody waits for the answer any more."""
        ...


Taking = Callable[[str, UUID, datetime], AbstractContextManager[None]]


class Sources(msgspec.Struct, frozen=True):
    """Where a process takes time, ids and cursors from; tests replace them."""

    now: Callable[[], datetime]
    new_id: Callable[[], UUID]
    cursors: Cursors
    taking: Taking = lambda reaction, event_id, occurred_at: nullcontext()
    """Entered while a reaction works on an event; whoever plays a recording lets time and ids follow from the event."""
    answering: Callable[[str], AbstractContextManager[None]] | None = None
    """Entered while a call of another process is answered; whoever plays a recording finds its step by the request."""
    wall: Callable[[], float] = time.time
    """Seconds since 1970: the clock that messages between processes are dated by, whatever calls are told."""

    @staticmethod
    def utc_now() -> datetime:
        """Return the system's time."""
        return datetime.now(UTC)


class Call:
    """The context of one call (armature.Context); also who owns the unit of work it will hand over."""

    __slots__ = (
        "_now",
        "address",
        "advises",
        "after_id",
        "again",
        "asking",
        "caller",
        "causation_id",
        "correlation_id",
        "deadline",
        "identity",
        "if_match",
        "in_hand",
        "in_turn",
        "kept",
        "key",
        "operation",
        "phase",
        "request_id",
        "sources",
        "tenant",
        "trace",
        "work",
    )

    def __init__(self, sources: Sources, tenant: str, identity: Identity, request_id: str, deadline: float) -> None:
        self.sources = sources
        self.tenant = tenant
        self.identity = identity
        self.request_id = request_id
        self.correlation_id = request_id
        self.causation_id = request_id
        self.deadline = deadline
        self.trace: str | None = None
        self.key: str | None = None
        self.if_match: str | None = None
        self.after_id: int | str | None = None
        """The outbox id a reader wants to see applied (Armature-Position); as text where another process will read it."""
        self.caller: Caller | None = None
        self.operation = ""
        self.asking = ""
        """The module that asks, when the caller is a neighbour."""
        self.address = ""
        """Where a caller without a name is; limits tell such callers apart by it."""
        self.phase = "run"
        """`run`: a query; `decide`: a command decides; `commit`: handed over, carried through once it is `in_hand`; `done`."""
        self.advises = False
        """True for a neighbour's query that a command decides on: no kept answer will do."""
        self.in_hand = False
        """True once the database works on what was handed over."""
        self.in_turn = False
        """True while the call holds rows against everybody else."""
        self.kept: dict[tuple[str, bytes], Any] | None = None
        """Answers of neighbours from the first run of a command (laws 5)."""
        self.again: tuple[bytes, float] | None = None
        """Of a call whose message others can send again: the message's id, and for how many seconds it may come."""
        self.work: Work
        self._now: datetime | None = None

    @property
    def actor(self) -> str:
        return self.identity.actor

    @property
    def permissions(self) -> frozenset[str]:
        return self.identity.permissions

    @property
    def now(self) -> datetime:
        now = self._now
        if now is None:
            now = self._now = self.sources.now()
        return now

    @property
    def deciding(self) -> bool:
        """True while a command decides: nothing with an effect may be called (laws 6)."""
        return self.phase == "decide"

    @property
    def gone(self) -> bool:
        return self.caller is not None and self.caller.gone

    def new_id(self) -> UUID:
        return self.sources.new_id()

    def after(self, cursor: str | None, kind: type[T]) -> T | None:
        if cursor is None:
            return None
        return self.sources.cursors.open(f"{self.tenant}\0{self.operation}", cursor, kind)

    def page(self, rows: Sequence[T], limit: int, key: Callable[[T], Any]) -> Page[T]:
        if len(rows) <= limit:
            return Page(items=list(rows), next_cursor=None)
        items = list(rows[:limit])
        return Page(items=items, next_cursor=self.sources.cursors.seal(f"{self.tenant}\0{self.operation}", key(items[-1])))
