"""What may be asked of the tally."""

from typing import Protocol

from msgspec import Struct

from armature import Context, Contract, query


class Notes(Struct, frozen=True):
    """How often the reaction ran, and for how many changes."""

    notes: int
    changes: int


class Tally(Contract, Protocol, name="tally", version=1):
    """The tally."""

    @query("GET /notes", public=True)
    async def notes(self, ctx: Context) -> Notes:
        """Return what the reaction did."""
        ...
