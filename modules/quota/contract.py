"""Quotas: how far a counter may go, and who has a claim on what is left."""

from datetime import datetime
from typing import Annotated, Protocol
from uuid import UUID

from msgspec import Meta, Struct

from armature import Context, Contract, Event, Failure, Kind, Page, command, event, query
from modules.counter.contract import CounterNotFound

Amount = Annotated[int, Meta(ge=1, le=1_000_000)]
Allowed = Annotated[int, Meta(ge=0, le=1_000_000_000)]
Seconds = Annotated[int, Meta(ge=1, le=86_400)]
Limit = Annotated[int, Meta(ge=1, le=200)]


class Quota(Struct, frozen=True):
    """How far a counter may go. `used` is where its events say that it stands, `reserved` what was promised on top of that.

    `since` is the counter's version when the quota began; what happened to the counter before is in `used` already.
    """

    counter_id: UUID
    allowed: int
    used: int
    reserved: int
    since: int
    version: int


class Usage(Struct, frozen=True):
    """A quota beside the counter itself. `value` is what the counter says now; `used` may be a moment behind it."""

    counter_id: UUID
    name: str
    value: int
    allowed: int
    used: int
    reserved: int
    left: int


class Reservation(Struct, frozen=True):
    """A claim on `amount`, of which `held` is not used yet. After `expires_at` others may have it."""

    id: UUID
    counter_id: UUID
    amount: int
    held: int
    expires_at: datetime


@event("quota.limit_set", schema=1, stream="counter_id", version="version")
class LimitSet(Event, frozen=True):
    """From now on the counter may go up to `allowed`."""

    counter_id: UUID
    allowed: int
    version: int


@event("quota.reserved", schema=1, stream="counter_id", version="version")
class Reserved(Event, frozen=True):
    """Somebody has a claim on `amount`."""

    counter_id: UUID
    reservation_id: UUID
    amount: int
    version: int


@event("quota.settled", schema=1, stream="counter_id", version="version")
class Settled(Event, frozen=True):
    """The quota followed its counter to `used`; `amount` of the way had been reserved."""

    counter_id: UUID
    amount: int
    used: int
    version: int


@event("quota.released", schema=1, stream="counter_id", version="version")
class Released(Event, frozen=True):
    """A reservation was given up or expired; `amount` of it was not used."""

    counter_id: UUID
    reservation_id: UUID
    amount: int
    version: int


@event("quota.dropped", schema=1, stream="counter_id", version="version")
class Dropped(Event, frozen=True):
    """The counter is gone, and its quota and reservations with it."""

    counter_id: UUID
    version: int


class NoQuota(Failure, kind=Kind.NOT_FOUND, code="quota:not_found"):
    """Nobody has set a limit for the counter {counter_id}."""

    counter_id: UUID


class NoReservation(Failure, kind=Kind.NOT_FOUND, code="quota:no_reservation"):
    """There is no open reservation {reservation_id}: it was used up, given up, or has never been."""

    reservation_id: UUID


class Exceeded(Failure, kind=Kind.CONFLICT, code="quota:exceeded"):
    """The counter {counter_id} has {left} left, which is less than what was to be reserved."""

    counter_id: UUID
    left: int


class Quotas(Contract, Protocol, name="quota", version=1):
    """Limits of counters, kept by their own rows: what was reserved can be counted."""

    @command("PUT /quotas/{counter_id}", permission="quota:write", refuses=[CounterNotFound], etag="version")
    async def set_limit(self, ctx: Context, *, counter_id: UUID, allowed: Allowed) -> Quota:
        """Let a counter go up to `allowed`. A lower limit than what is used takes nothing away; it lets nothing more in."""
        ...

    @query("GET /quotas/{counter_id}", permission="quota:read", refuses=[NoQuota], etag="version")
    async def get(self, ctx: Context, *, counter_id: UUID) -> Quota:
        """Return the quota of a counter."""
        ...

    # Shorter than the usual deadline: who shows it among other things can still answer without it.
    @query("GET /quotas/{counter_id}/usage", permission="quota:read", refuses=[NoQuota, CounterNotFound], deadline_seconds=2.0)
    async def usage(self, ctx: Context, *, counter_id: UUID) -> Usage:
        """Return the quota beside what the counter itself says."""
        ...

    @command(
        "POST /quotas/{counter_id}/reservations",
        permission="quota:write",
        refuses=[NoQuota, Exceeded],
        status=201,
    )
    async def reserve(self, ctx: Context, *, counter_id: UUID, amount: Amount = 1, seconds: Seconds = 600) -> Reservation:
        """Take a claim on `amount` that holds for so many seconds."""
        ...

    @command(
        "DELETE /quotas/{counter_id}/reservations/{reservation_id}",
        permission="quota:write",
        refuses=[NoQuota, NoReservation],
        status=204,
    )
    async def release(self, ctx: Context, *, counter_id: UUID, reservation_id: UUID) -> None:
        """Give a reservation up; what it still held is left for others."""
        ...

    @query("GET /quotas/{counter_id}/reservations", permission="quota:read", refuses=[NoQuota])
    async def reservations(
        self, ctx: Context, *, counter_id: UUID, limit: Limit = 30, cursor: str | None = None
    ) -> Page[Reservation]:
        """Return the open reservations, oldest first."""
        ...
