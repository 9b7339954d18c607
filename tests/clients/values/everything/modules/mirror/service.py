"""Nothing is done with what comes: what happens to it happens on the way."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from modules.mirror.contract import Answered, Asked, Declined, Mirror, Named, Said, Texts, Tree
from msgspec import UNSET, UnsetType

from armature import Context
from tests.grpc_edge.every_type import Colour, Grade, Thing


class MirrorService(Mirror):
    """Gives back what came."""

    async def thing(self, ctx: Context, *, thing: Thing) -> Thing:
        return thing

    async def tree(self, ctx: Context, *, tree: Tree) -> Tree:
        return tree

    async def texts(self, ctx: Context, *, one: str, two: str) -> Texts:
        return Texts(one, two)

    async def text(self, ctx: Context, *, one: str) -> str:
        return one

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
        return Named(number, ratio, price, at, colour, grade, blob, flag)

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
        return Asked(text, number, ratio, price, at, blob, colour, grade, flag, some, ids, ratios, change)

    async def defaults(
        self,
        ctx: Context,
        *,
        ratio: float | None = 0.5,
        limit: int | None = 5,
        tags: list[str] | None = None,
        change: str | UnsetType | None = UNSET,
    ) -> list[str]:
        return [repr(one) for one in (ratio, limit, tags, change)]

    async def maybe(self, ctx: Context, *, texts: dict[str, float | None]) -> dict[str, float | None]:
        return texts

    async def say(self, ctx: Context, *, id: UUID, text: str, ratio: float, price: Decimal, texts: dict[str, str]) -> Answered:
        ctx.work.publish(Said(id, text, ratio, price, texts))
        return Answered(1, text)

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
        raise Declined(text=text, number=number, ratio=ratio, price=price, at=at, id=id, maybe=maybe, texts=texts)

    async def version(self, ctx: Context, *, version: int) -> Answered:
        return Answered(version, "")
