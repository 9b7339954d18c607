"""What may be asked about rates."""

from typing import Protocol

from msgspec import Struct

from armature import Context, Contract, query


class Rate(Struct, frozen=True):
    """What the host outside said."""

    status: int


class Rates(Contract, Protocol, name="rate", version=1):
    """Rates of a host outside."""

    @query("GET /rates/{port}", public=True)
    async def rate(self, ctx: Context, *, port: int) -> Rate:
        """Ask the host at a port of this machine."""
        ...
