"""The desk: what one screen wants to know, in one answer."""

from typing import Literal, Protocol
from uuid import UUID

from msgspec import Struct

from armature import Context, Contract, query
from modules.counter.contract import Counter, CounterNotFound
from modules.quota.contract import Usage


class Board(Struct, frozen=True):
    """A counter and its quota. Without a quota `usage` is null; it is also null while those who know are away, and then
    `missing` names them."""

    counter: Counter
    usage: Usage | None
    missing: list[Literal["quota"]]


class Desk(Contract, Protocol, name="desk", version=1):
    """Answers that are put together from those of neighbours, for the caller and with the caller's permissions."""

    @query("GET /desk/{counter_id}", permission="desk:read", refuses=[CounterNotFound])
    async def board(self, ctx: Context, *, counter_id: UUID) -> Board:
        """Return a counter with its quota."""
        ...
