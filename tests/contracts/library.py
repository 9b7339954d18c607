"""A contract with one of everything, to be changed line by line by the tests beside it."""

from datetime import datetime
from typing import Annotated, Literal, Protocol
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from armature import Context, Contract, Event, Failure, Kind, Page, command, event, feed, not_together, query

Title = Annotated[str, Meta(min_length=1, max_length=80)]
Copies = Annotated[int, Meta(ge=1, le=100)]
Shelf = Literal["art", "science"]


class Loan(Struct, frozen=True, tag="loan"):
    """Somebody has it."""

    until: datetime


class Sale(Struct, frozen=True, tag="sale"):
    """Somebody owns it."""

    cents: int


class Place(Struct, frozen=True):
    """Where it stands."""

    room: str
    row: int | None = None


class Book(Struct, frozen=True):
    """A book and where it is."""

    id: UUID
    title: str
    shelf: Shelf
    note: str | None
    copies: Annotated[int, Meta(ge=0)]
    places: list[Place]
    gone: Loan | Sale | None
    version: int


@event("library.bought", schema=1, stream="book_id", version="version")
class Bought(Event, frozen=True):
    """A book came."""

    book_id: UUID
    shelf: Shelf
    copies: int
    version: int
    price: int = 0


@event("library.lost", schema=1, stream="book_id", version="version")
class Lost(Event, frozen=True):
    """A book went."""

    book_id: UUID
    version: int


@event("library.closed", schema=1, stream="hall")
class Closed(Event, frozen=True):
    """A hall is closed."""

    hall: str
    wing: str = ""


class BookNotFound(Failure, kind=Kind.NOT_FOUND, code="library:not_found"):
    """There is no such book."""


class TooMany(Failure, kind=Kind.CONFLICT, code="library:too_many"):
    """There is room for {room}."""

    room: int


class Library(Contract, Protocol, name="library", version=1):
    """Books that people look for."""

    @command(
        "POST /books",
        permission="library:write",
        refuses=[TooMany],
        etag="version",
        status=201,
        location="/books/{id}",
        limit="10/minute",
    )
    async def buy(
        self, ctx: Context, *, title: Title, shelf: Shelf, copies: Copies = 1, place: Place | None = None, hint: str = ""
    ) -> Book:
        """Put a book on a shelf."""
        ...

    @query("GET /books/{book_id}", permission="library:read", refuses=[BookNotFound], etag="version")
    async def get(self, ctx: Context, *, book_id: UUID) -> Book:
        """Return a book."""
        ...

    @query("GET /books", permission="library:read", rules=[not_together("cursor", "page")])
    async def list(
        self, ctx: Context, *, shelf: Shelf | None = None, cursor: str | None = None, page: int | UnsetType = UNSET
    ) -> Page[Book]:
        """Return books."""
        ...

    @command("PATCH /books/{book_id}", permission="library:write", refuses=[BookNotFound], idempotency="optional")
    async def edit(
        self, ctx: Context, *, book_id: UUID, title: Title | UnsetType = UNSET, note: str | UnsetType | None = UNSET
    ) -> Book:
        """Change what is sent."""
        ...

    @query("GET /opening-hours", public=True)
    async def hours(self, ctx: Context) -> dict[str, str]:
        """Return when it is open."""
        ...

    @feed("GET /books/{book_id}/events", of=[Bought, Lost], permission="library:read")
    async def events(self, ctx: Context, *, book_id: UUID) -> None:
        """Follow a book."""
        return
