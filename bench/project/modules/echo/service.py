"""Says back what was said."""

from datetime import datetime
from typing import Literal

from modules.echo.contract import Echo, Echoes

from armature import Context


class EchoService(Echoes):
    """Nothing to store, nothing to tell."""

    async def say(
        self,
        ctx: Context,
        *,
        name: str,
        kind: Literal["goods", "service", "gift"],
        quantity: int,
        price: float,
        at: datetime,
        note: str | None = None,
    ) -> Echo:
        return Echo(name, kind, quantity, price, at, note)
