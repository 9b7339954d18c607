"""What may be asked of a rack: right things, and things that only a wrong module would do."""

from typing import Annotated, Protocol
from uuid import UUID

from msgspec import Meta, Struct

from armature import Context, Contract, Event, Failure, Kind, command, event, query


class Item(Struct, frozen=True):
    """A thing on the rack."""

    id: UUID
    name: str
    size: int
    version: int


class Count(Struct, frozen=True):
    """How many."""

    count: int


@event("rack.changed", schema=1, stream="item_id", version="version")
class Changed(Event, frozen=True):
    """An item changed."""

    item_id: UUID
    version: int


class NoItem(Failure, kind=Kind.NOT_FOUND, code="rack:no_item"):
    """There is no item {item_id}."""

    item_id: UUID


class NameTaken(Failure, kind=Kind.ALREADY_EXISTS, code="rack:name_taken"):
    """That name is taken."""


class Closed(Failure, kind=Kind.CONFLICT, code="rack:closed", final=True):
    """The rack is closed for {reason}."""

    reason: str


class NotYet(Failure, kind=Kind.CONFLICT, code="rack:not_yet"):
    """Not now."""


class Secretive(Failure, kind=Kind.CONFLICT, code="rack:secretive"):
    """The contract does not know this one."""


class Rack(Contract, Protocol, name="rack", version=1):
    """Items, handled well and badly."""

    @command("POST /items", permission="rack:write", refuses=[NameTaken], etag="version", status=201)
    async def add(self, ctx: Context, *, name: str) -> Item:
        """Put an item on the rack."""
        ...

    @query("GET /items/{item_id}", permission="rack:read", refuses=[NoItem], etag="version")
    async def get(self, ctx: Context, *, item_id: UUID) -> Item:
        """Return an item."""
        ...

    @command("POST /items/{item_id}/grow", permission="rack:write", refuses=[NoItem], etag="version")
    async def grow(self, ctx: Context, *, item_id: UUID, by: int = 1) -> Item:
        """Make an item larger."""
        ...

    @command("POST /items/{item_id}/beside", permission="rack:write", refuses=[NoItem, NameTaken])
    async def beside(self, ctx: Context, *, item_id: UUID, name: str) -> Item:
        """Put an item beside another one, which must still be there."""
        ...

    @command("POST /items/{item_id}/drop", permission="rack:write", refuses=[NoItem], status=204)
    async def drop(self, ctx: Context, *, item_id: UUID) -> None:
        """Take an item away."""
        ...

    @command("POST /patient", permission="rack:write", refuses=[NameTaken], deadline_seconds=0.3)
    async def patient(self, ctx: Context, *, name: str) -> Item:
        """Add an item, slowly where a test wants it so."""
        ...

    @command("POST /required", permission="rack:write", refuses=[NameTaken], idempotency="required")
    async def required(self, ctx: Context, *, name: str) -> Item:
        """Add an item, with a key."""
        ...

    @command("POST /unkeyed", permission="rack:write", refuses=[NameTaken], idempotency="none")
    async def unkeyed(self, ctx: Context, *, name: str) -> Item:
        """Add an item, never with a key."""
        ...

    @command("POST /closed", permission="rack:write", refuses=[Closed])
    async def closed(self, ctx: Context) -> None:
        """Refuse for good."""
        ...

    @command("POST /not-yet", permission="rack:write", refuses=[NotYet])
    async def not_yet(self, ctx: Context) -> None:
        """Refuse for now."""
        ...

    @command("POST /secretive", permission="rack:write")
    async def secretive(self, ctx: Context) -> None:
        """Refuse with something the contract does not list."""
        ...

    @command("POST /items/{item_id}/read-after-plan", permission="rack:write", refuses=[NoItem])
    async def read_after_plan(self, ctx: Context, *, item_id: UUID) -> None:
        """Read what was planned."""
        ...

    @command("POST /items/{item_id}/planned-twice", permission="rack:write", refuses=[NoItem])
    async def planned_twice(self, ctx: Context, *, item_id: UUID) -> None:
        """Plan one row twice."""
        ...

    @command("POST /items/{item_id}/lost-for-ever", permission="rack:write", refuses=[NoItem])
    async def lost_for_ever(self, ctx: Context, *, item_id: UUID) -> None:
        """Expect a version that never was."""
        ...

    @command("POST /many", permission="rack:write")
    async def many(self, ctx: Context, *, count: int, letters: Annotated[int, Meta(ge=1)] = 1) -> Count:
        """Plan many writes."""
        ...

    @command("POST /shrink-all", permission="rack:write")
    async def shrink_all(self, ctx: Context) -> None:
        """Write every row in one statement."""
        ...

    @command("POST /large-answer", permission="rack:write")
    async def large_answer(self, ctx: Context, *, letters: int) -> str:
        """Answer with much."""
        ...

    @query("GET /plans", permission="rack:read")
    async def plans(self, ctx: Context) -> Count:
        """Plan in a query."""
        ...
