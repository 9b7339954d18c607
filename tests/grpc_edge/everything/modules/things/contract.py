"""Arguments of every type that may cross a contract, and nothing done with them: what happens to them happens at the edge."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from msgspec import UNSET, UnsetType

from armature import Context, Contract, command, query
from tests.grpc_edge.every_type import Thing


class Things(Contract, Protocol, name="things", version=1):
    """Things."""

    @command("PUT /things/{id}", public=True)
    async def put(self, ctx: Context, *, id: UUID, thing: Thing, when: datetime | UnsetType = UNSET) -> Thing:
        """Take a thing and return it."""
        ...

    @query("GET /things/names", public=True)
    async def names(self, ctx: Context, *, tags: list[str] | None = None) -> list[str]:
        """Return what was asked with."""
        ...

    @command("POST /things/forget", public=True, status=204)
    async def forget(self, ctx: Context, *, ids: list[UUID]) -> None:
        """Return nothing."""
        ...
