"""One operation with a body of six fields, for the benchmark of a validated POST without storage."""

from datetime import datetime
from typing import Annotated, Literal, Protocol

from msgspec import Meta, Struct

from armature import Context, Contract, command


class Echo(Struct, frozen=True):
    """What was said."""

    name: str
    kind: str
    quantity: int
    price: float
    at: datetime
    note: str | None


class Echoes(Contract, Protocol, name="echo", version=1):
    """Says back what was said."""

    @command("POST /echo", permission="echo:say", idempotency="none")
    async def say(
        self,
        ctx: Context,
        *,
        name: Annotated[str, Meta(min_length=1, max_length=80)],
        kind: Literal["goods", "service", "gift"],
        quantity: Annotated[int, Meta(ge=1, le=1_000)],
        price: Annotated[float, Meta(ge=0)],
        at: datetime,
        note: Annotated[str, Meta(max_length=200)] | None = None,
    ) -> Echo:
        """Return the form as it was understood."""
        ...
