"""Counters: what the rest of the system may ask of them and hear from them."""

from datetime import datetime
from typing import Annotated, Literal, Protocol
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from armature import Context, Contract, Event, Failure, Kind, Page, command, event, feed, not_together, query

Name = Annotated[str, Meta(min_length=1, max_length=80)]
Note = Annotated[str, Meta(max_length=500)]
Step = Annotated[int, Meta(ge=1, le=1_000_000)]
Limit = Annotated[int, Meta(ge=1, le=200)]

Verb = Literal["create", "increment", "decrement", "reset", "edit", "transfer", "delete"]


class Counter(Struct, frozen=True):
    """A named number. `version` grows by one with each change; clients send it back as If-Match."""

    id: UUID
    name: str
    note: str | None
    value: int
    version: int


class Line(Struct, frozen=True):
    """One line of a counter's history: what was done, and how the counter stood after it."""

    version: int
    operation: Verb
    value: int
    at: datetime


class Totals(Struct, frozen=True):
    """All counters of a tenant together."""

    counters: int
    value: int
    changes: int


@event("counter.created", schema=1, stream="counter_id", version="version")
class CounterCreated(Event, frozen=True):
    """A counter began, at zero."""

    counter_id: UUID
    name: str
    version: int = 1


@event("counter.changed", schema=1, stream="counter_id", version="version")
class CounterChanged(Event, frozen=True):
    """A counter moved by `delta` (0 when only its name or note changed) and now stands at `value`."""

    counter_id: UUID
    operation: Verb
    delta: int
    value: int
    version: int


@event("counter.deleted", schema=1, stream="counter_id", version="version")
class CounterDeleted(Event, frozen=True):
    """A counter was removed while it stood at `value`."""

    counter_id: UUID
    value: int
    version: int


class CounterNotFound(Failure, kind=Kind.NOT_FOUND, code="counter:not_found"):
    """No counter of this tenant has the id {counter_id}."""

    counter_id: UUID


class NameTaken(Failure, kind=Kind.ALREADY_EXISTS, code="counter:name_taken"):
    """Another counter of this tenant has that name."""


class Insufficient(Failure, kind=Kind.CONFLICT, code="counter:insufficient"):
    """The counter {counter_id} stands at {value}, which is less than what was to be taken from it."""

    counter_id: UUID
    value: int


class SameCounter(Failure, kind=Kind.INVALID, code="counter:same"):
    """A transfer needs two different counters."""


class Counters(Contract, Protocol, name="counter", version=1):
    """Counters that many callers may move at once without losing a step."""

    @command(
        "POST /counters",
        permission="counter:write",
        refuses=[NameTaken],
        etag="version",
        status=201,
        location="/counters/{id}",
    )
    async def create(self, ctx: Context, *, name: Name, note: Note | None = None) -> Counter:
        """Create a counter at zero; the name is unique within the tenant."""
        ...

    @query("GET /counters/totals", permission="counter:read")
    async def totals(self, ctx: Context) -> Totals:
        """Return the number of counters, their sum and how often they changed (from a projection)."""
        ...

    @query("GET /counters/{counter_id}", permission="counter:read", refuses=[CounterNotFound], etag="version")
    async def get(self, ctx: Context, *, counter_id: UUID) -> Counter:
        """Return one counter."""
        ...

    @query(
        "GET /counters",
        permission="counter:read",
        rules=[not_together("cursor", "page"), not_together("cursor", "sort"), not_together("cursor", "order")],
    )
    async def list(
        self,
        ctx: Context,
        *,
        limit: Limit = 30,
        cursor: str | None = None,
        page: Annotated[int, Meta(ge=0, le=100_000)] | UnsetType = UNSET,
        size: Limit = 10,
        sort: Literal["name", "value", "created"] = "created",
        order: Literal["asc", "desc"] = "asc",
    ) -> Page[Counter]:
        """Return counters by cursor, oldest first; or, with `page`, by number in a chosen order."""
        ...

    @command("POST /counters/{counter_id}/increment", permission="counter:write", refuses=[CounterNotFound], etag="version")
    async def increment(self, ctx: Context, *, counter_id: UUID, by: Step = 1) -> Counter:
        """Add `by`; return the counter as it stands after the change."""
        ...

    @command(
        "POST /counters/{counter_id}/decrement",
        permission="counter:write",
        refuses=[CounterNotFound, Insufficient],
        etag="version",
    )
    async def decrement(self, ctx: Context, *, counter_id: UUID, by: Step = 1) -> Counter:
        """Take `by` away; a counter never goes below zero."""
        ...

    @command(
        "POST /counters/{counter_id}/reset",
        permission="counter:write",
        refuses=[CounterNotFound],
        etag="version",
        limit="10/minute",
    )
    async def reset(self, ctx: Context, *, counter_id: UUID) -> Counter:
        """Set the counter to zero."""
        ...

    @command(
        "POST /counters/{counter_id}/transfer",
        permission="counter:write",
        refuses=[CounterNotFound, Insufficient, SameCounter],
        etag="version",
    )
    async def transfer(self, ctx: Context, *, counter_id: UUID, to: UUID, by: Step) -> Counter:
        """Move `by` from this counter to the counter `to`, both in one commit; return this one."""
        ...

    @command(
        "PATCH /counters/{counter_id}",
        permission="counter:write",
        refuses=[CounterNotFound, NameTaken],
        etag="version",
    )
    async def edit(
        self,
        ctx: Context,
        *,
        counter_id: UUID,
        name: Name | UnsetType = UNSET,
        note: Note | UnsetType | None = UNSET,
    ) -> Counter:
        """Change what is sent and keep what is absent; null clears the note."""
        ...

    @command("DELETE /counters/{counter_id}", permission="counter:write", refuses=[CounterNotFound], etag="version", status=204)
    async def delete(self, ctx: Context, *, counter_id: UUID) -> None:
        """Remove a counter; its history stays."""
        ...

    @query("GET /counters/{counter_id}/history", permission="counter:read", refuses=[CounterNotFound])
    async def history(self, ctx: Context, *, counter_id: UUID, limit: Limit = 30, cursor: str | None = None) -> Page[Line]:
        """Return what happened to a counter, oldest first, one entry for each version (from a projection)."""
        ...

    @feed(
        "GET /counters/{counter_id}/events",
        of=[CounterCreated, CounterChanged, CounterDeleted],
        permission="counter:read",
    )
    async def events(self, ctx: Context, *, counter_id: UUID) -> None:
        """Follow one counter: each event as it is recorded, from now on or after the one named in Last-Event-ID."""
        return  # the platform serves it
