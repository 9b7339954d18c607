"""Values of every type that may cross a contract, in every place of a request: they come back as they were understood."""

from datetime import datetime
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType

from armature import Context, Contract, Event, Failure, Kind, command, event, feed, query
from tests.grpc_edge.every_type import Colour, Grade, Thing


class Texts(Struct, frozen=True):
    """Two texts, as they arrived."""

    one: str
    two: str


class Asked(Struct, frozen=True):
    """The rest of a query string, as it arrived."""

    text: str | None
    number: int | None
    ratio: float
    price: Decimal | None
    at: datetime | None
    blob: bytes | None
    colour: Colour | None
    grade: Grade | None
    flag: bool
    some: list[str]
    ids: list[UUID]
    ratios: list[float]
    change: str | UnsetType = UNSET


class Named(Struct, frozen=True):
    """The parts of a path, as they arrived."""

    number: int
    ratio: float
    price: Decimal
    at: datetime
    colour: Colour
    grade: Grade
    blob: bytes
    flag: bool


class Answered(Struct, frozen=True):
    """A thing, or none; its version is what it counts."""

    version: int
    text: str


class Tree(Struct, frozen=True):
    """Contains itself."""

    below: "list[Tree]" = []
    texts: dict[str, str] = {}


@event("mirror.said", schema=1, stream="id", version=None)
class Said(Event, frozen=True):
    """Something was said."""

    id: UUID
    text: str
    ratio: float
    price: Decimal
    texts: dict[str, str]


class Declined(Failure, kind=Kind.CONFLICT, code="mirror:declined"):
    """Declined: {text}."""

    text: str
    number: int
    ratio: float
    price: Decimal
    at: datetime
    id: UUID
    maybe: str | None
    texts: dict[str, str]


class Mirror(Contract, Protocol, name="mirror", version=1):
    """Says everything again."""

    @command("POST /mirror/things", public=True)
    async def thing(self, ctx: Context, *, thing: Thing) -> Thing:
        """Return a thing."""
        ...

    @command("POST /mirror/trees", public=True)
    async def tree(self, ctx: Context, *, tree: Tree) -> Tree:
        """Return a tree."""
        ...

    @query("GET /mirror/texts/{one}/{two}", public=True)
    async def texts(self, ctx: Context, *, one: str, two: str) -> Texts:
        """Return the texts of a path."""
        ...

    @query("GET /mirror/texts/{one}", public=True)
    async def text(self, ctx: Context, *, one: str) -> str:
        """Return the text of a path."""
        ...

    @query("GET /mirror/named/{number}/{ratio}/{price}/{at}/{colour}/{grade}/{blob}/{flag}", public=True)
    async def named(
        self,
        ctx: Context,
        *,
        number: int,
        ratio: float,
        price: Decimal,
        at: datetime,
        colour: Colour,
        grade: Grade,
        blob: bytes,
        flag: bool,
    ) -> Named:
        """Return the values of a path."""
        ...

    @query("GET /mirror/asked", public=True)
    async def asked(
        self,
        ctx: Context,
        *,
        text: str | None = None,
        number: int | None = None,
        ratio: float = 0.5,
        price: Decimal | None = None,
        at: datetime | None = None,
        blob: bytes | None = None,
        colour: Colour | None = None,
        grade: Grade | None = None,
        flag: bool = False,
        some: list[str] = [],  # noqa: B006
        ids: list[UUID] = [],  # noqa: B006
        ratios: list[float] = [],  # noqa: B006
        change: str | UnsetType = UNSET,
    ) -> Asked:
        """Return the values of a query string."""
        ...

    @query("GET /mirror/defaults", public=True)
    async def defaults(
        self,
        ctx: Context,
        *,
        ratio: float | None = 0.5,
        limit: int | None = 5,
        tags: list[str] | None = None,
        change: str | UnsetType | None = UNSET,
    ) -> list[str]:
        """Return what was understood, as texts."""
        ...

    @command("POST /mirror/maybe", public=True)
    async def maybe(self, ctx: Context, *, texts: dict[str, float | None]) -> dict[str, float | None]:
        """Return the numbers, and what is none."""
        ...

    @command("POST /mirror/said", permission="mirror:write", idempotency="required")
    async def say(self, ctx: Context, *, id: UUID, text: str, ratio: float, price: Decimal, texts: dict[str, str]) -> Answered:
        """Say something to those who follow."""
        ...

    @command("POST /mirror/declined", public=True, refuses=[Declined])
    async def decline(
        self,
        ctx: Context,
        *,
        text: str,
        number: int,
        ratio: float,
        price: Decimal,
        at: datetime,
        id: UUID,
        texts: dict[str, str],
        maybe: str | None = None,
    ) -> None:
        """Refuse."""
        ...

    @query("GET /mirror/versions/{version}", public=True, etag="version")
    async def version(self, ctx: Context, *, version: int) -> Answered:
        """Return something of that version."""
        ...

    @feed("GET /mirror/said/{id}/events", of=[Said], permission="mirror:read")
    async def heard(self, ctx: Context, *, id: UUID) -> None:
        """Follow what is said."""
        return
