"""What may be asked of a shelf, often."""

from typing import Protocol
from uuid import UUID

from msgspec import Struct

from armature import Context, Contract, Event, Failure, Kind, cached, command, event, query


class Box(Struct, frozen=True):
    """A box."""

    id: UUID
    weight: int
    version: int


class Load(Struct, frozen=True):
    """What the shelf carries."""

    weight: int


@event("shelf.filled", schema=1, stream="box_id", version="version")
class Filled(Event, frozen=True):
    """A box became heavier by `more`."""

    box_id: UUID
    more: int
    version: int


class NoBox(Failure, kind=Kind.NOT_FOUND, code="shelf:no_box"):
    """There is no box {box_id}."""

    box_id: UUID


class Shelf(Contract, Protocol, name="shelf", version=1):
    """Boxes whose answers are kept."""

    @command("POST /boxes", permission="shelf:write", status=201)
    async def put(self, ctx: Context, *, weight: int) -> Box:
        """Put a box on the shelf."""
        ...

    @command("POST /boxes/{box_id}/fill", permission="shelf:write", refuses=[NoBox])
    async def fill(self, ctx: Context, *, box_id: UUID, more: int) -> Box:
        """Make a box heavier."""
        ...

    @query(
        "GET /boxes/{box_id}",
        permission="shelf:read",
        refuses=[NoBox],
        etag="version",
        cache=cached(seconds=3_600, until=[Filled], by="box_id"),
    )
    async def get(self, ctx: Context, *, box_id: UUID) -> Box:
        """Return a box."""
        ...

    @query("GET /load", permission="shelf:read", cache=cached(seconds=3_600, until=[Filled]))
    async def load(self, ctx: Context) -> Load:
        """Return what the shelf carries (from a projection)."""
        ...
