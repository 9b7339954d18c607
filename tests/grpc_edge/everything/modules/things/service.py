"""Things on no table."""

from datetime import datetime
from uuid import UUID

from modules.things.contract import Things
from msgspec import UNSET, UnsetType

from armature import Context
from tests.grpc_edge.every_type import Thing


class ThingsService(Things):
    """Gives back what came."""

    async def put(self, ctx: Context, *, id: UUID, thing: Thing, when: datetime | UnsetType = UNSET) -> Thing:
        return thing

    async def names(self, ctx: Context, *, tags: list[str] | None = None) -> list[str]:
        return tags or []

    async def forget(self, ctx: Context, *, ids: list[UUID]) -> None:
        pass
