"""A contract in which everything has an awkward name or a rare type; whoever writes code from contracts stumbles here first."""

from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Generic, Literal, NewType, Protocol, TypeVar
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType, field

from armature import Context, Contract, Event, Failure, Kind, Page, command, event, feed, query

T = TypeVar("T")
ShelfId = NewType("ShelfId", UUID)


class Colour(Enum):
    """What it is painted with."""

    RED = "red"
    DEEP_BLUE = "deep blue"


class Level(Enum):
    """How high."""

    LOW = 1
    HIGH = 2


class Circle(Struct, frozen=True, tag="circle", tag_field="shape"):
    """Round."""

    radius: float


class Square(Struct, frozen=True, tag="square", tag_field="shape"):
    r"""Not round; has a \ and ends in a "quote"."""

    side: float


class Pair(Struct, Generic[T], frozen=True):
    """Two of a kind."""

    left: T
    right: T


class Node(Struct, frozen=True):
    """Contains itself."""

    name: str
    below: "list[Node]" = []


class Wish(Struct, frozen=True):
    """Stands in arguments only."""

    text: str
    times: int = 2
    colour: Colour = Colour.RED
    renamed: str | UnsetType = field(default=UNSET, name="re-named")


class Operation(Struct, frozen=True):
    """Has the name of a thing of the client, and fields that hide types. */ ends a comment."""

    list: list[int]
    datetime: datetime
    str: str
    int: int
    dict: dict[str, Decimal]
    uuid: ShelfId
    raw: bytes
    colour: Colour
    level: Level | None
    form: Circle | Square
    pair: Pair[UUID]
    tree: Node
    odd: Literal[1, 2, 3]
    maybe: bool | UnsetType = UNSET


class Refused(Failure, kind=Kind.CONFLICT, code="strange:refused"):
    """The {name} said no, {problem}."""

    name: str
    problem: str
    args_: int


class Promise(Failure, kind=Kind.NOT_FOUND, code="strange:promise"):
    """Hides a word of TypeScript."""


# Below an operation called `list`, the word means that one.
Pairs = dict[str, list[Pair[int]]]
Numbers = list[int]


@event("strange.thing_moved", schema=1, stream="shelf", version=None)
class ThingMoved(Event, frozen=True):
    """It moved."""

    shelf: UUID
    to: Literal["there", "here"]


class Stranges(Contract, Protocol, name="class", version=2):
    """A contract whose name is a word of the language."""

    @query("GET /things/{name}/{shelf}", permission="strange:read", refuses=[Refused, Promise])
    async def get(self, ctx: Context, *, name: str, shelf: UUID, call: bool = False, many: Numbers = []) -> Operation:  # noqa: B006
        """Return one. It ends with a quote: "so"."""
        ...

    @query("GET /things", public=True)
    async def list(
        self, ctx: Context, *, cursor: str | None = None, after: datetime | None = None, limit: int = 3
    ) -> Page[Operation]:
        """Return them."""
        ...

    @command("POST /things/{shelf}", permission="strange:write", refuses=[Refused], idempotency="required")
    async def delete(
        self,
        ctx: Context,
        *,
        shelf: UUID,
        wish: Wish,
        price: Decimal,
        key: str,
        first: Annotated[int, Meta(ge=1)] = 1,
        note: str | UnsetType | None = UNSET,
    ) -> Pairs:
        """Take one away, for a price."""
        ...

    @command("POST /open", public=True, status=204)
    async def refusals(self, ctx: Context) -> None:
        """Change something without a key."""
        ...

    @query("GET /either", public=True)
    async def list_each(self, ctx: Context) -> Circle | Square | None:
        """Return one of two, or nothing; its name is that of a walk."""
        ...

    @feed("GET /shelves/{shelf}/moves", of=[ThingMoved], permission="strange:read")
    async def moves(self, ctx: Context, *, shelf: UUID) -> None:
        """Follow a shelf."""
        return
