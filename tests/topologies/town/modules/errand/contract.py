"""What may be asked of errands, and what is heard from them."""

from typing import Protocol
from uuid import UUID

from msgspec import Struct

from armature import Context, Contract, Event, Failure, Kind, cached, command, event, query


class Errand(Struct, frozen=True):
    """Something to be done."""

    id: UUID
    done: bool
    version: int


class Runs(Struct, frozen=True):
    """How often the reaction ran, and for how many errands."""

    runs: int
    errands: int


@event("errand.placed", schema=1, stream="errand_id", version="version")
class ErrandPlaced(Event, frozen=True):
    """Somebody wants something done."""

    errand_id: UUID
    version: int


@event("errand.done", schema=1, stream="errand_id", version="version")
class ErrandDone(Event, frozen=True):
    """It is done, or done again."""

    errand_id: UUID
    version: int


class NoErrand(Failure, kind=Kind.NOT_FOUND, code="errand:not_found"):
    """There is no errand {errand_id}."""

    errand_id: UUID


class Errands(Contract, Protocol, name="errand", version=1):
    """Errands."""

    @command("POST /errands", permission="errand:write", status=201)
    async def place(self, ctx: Context) -> Errand:
        """Ask for something to be done."""
        ...

    @command("POST /errands/{errand_id}/finish", permission="errand:write", refuses=[NoErrand])
    async def finish(self, ctx: Context, *, errand_id: UUID) -> Errand:
        """Say that it is done."""
        ...

    @query(
        "GET /errands/{errand_id}",
        permission="errand:read",
        refuses=[NoErrand],
        cache=cached(seconds=3_600, until=[ErrandPlaced, ErrandDone], by="errand_id"),
    )
    async def get(self, ctx: Context, *, errand_id: UUID) -> Errand:
        """Return an errand."""
        ...

    @query("GET /runs", permission="errand:read")
    async def runs(self, ctx: Context) -> Runs:
        """Return what the reaction did."""
        ...
