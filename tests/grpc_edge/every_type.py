"""A contract with every type that may cross one, in every place where it may stand."""

from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Literal, NewType, Protocol
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from armature import Context, Contract, command, query

ShelfId = NewType("ShelfId", UUID)


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Grade(Enum):
    LOW = 1
    HIGH = 2


class Circle(Struct, frozen=True, tag="circle"):
    radius: float


class Square(Struct, frozen=True, tag="square"):
    side: int
    label: str | None = None


class Part(Struct, frozen=True):
    """A part of a thing; parts may hold parts."""

    name: Annotated[str, Meta(min_length=1)]
    parts: list["Part"] = msgspec.field(default_factory=list)
    weight: Decimal | None = None


class Thing(Struct, frozen=True, kw_only=True):
    """Everything at once."""

    flag: bool
    count: int
    ratio: float
    text: str
    blob: bytes
    id: ShelfId
    at: datetime
    price: Decimal
    verb: Literal["put", "take"]
    level: Literal[1, 2, 3]
    colour: Colour
    grade: Grade
    part: Part
    shape: Circle | Square
    maybe: int | None
    maybe_part: Part | None
    maybe_shape: Circle | Square | None
    maybe_at: datetime | None
    names: list[str]
    ids: list[UUID]
    moments: list[datetime]
    parts: list[Part]
    shapes: list[Circle | Square]
    grid: list[list[int]]
    gaps: list[int | None]
    counts: dict[str, int]
    by_name: dict[str, Part]
    lists: dict[str, list[UUID]]
    shapes_by_name: dict[str, Circle | Square | None]
    renamed: int = msgspec.field(name="otherName")
    change: str | UnsetType | None = UNSET
    change_list: list[str] | UnsetType | None = UNSET
    change_at: datetime | UnsetType = UNSET
    some: list[int] = msgspec.field(default_factory=lambda: [7])
    limit: int | None = 5


class Things(Contract, Protocol, name="things", version=2):
    """Things."""

    @command("PUT /things/{id}", permission="things:write", etag="count")
    async def put(self, ctx: Context, *, id: UUID, thing: Thing, when: datetime | UnsetType = UNSET) -> Thing:
        """Take a thing and return it."""
        ...

    @query("GET /things/names", public=True)
    async def names(self, ctx: Context, *, tags: list[str] | None = None) -> list[str]:
        """Return a list, which no message is."""
        ...

    @query("GET /things/best", public=True)
    async def best(self, ctx: Context) -> Thing | None:
        """Return one or none."""
        ...

    @query("GET /things/shape", public=True)
    async def shape(self, ctx: Context) -> Circle | Square:
        """Return one of several."""
        ...

    @query("GET /things/count", public=True)
    async def count(self, ctx: Context) -> int:
        """Return a number."""
        ...

    @command("POST /things/forget", permission="things:write", status=204)
    async def forget(self, ctx: Context, *, ids: list[UUID]) -> None:
        """Return nothing."""
        ...
