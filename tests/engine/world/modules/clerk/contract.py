"""What may be asked of the clerk."""

from typing import Protocol
from uuid import UUID

from msgspec import Struct

from armature import Context, Contract, Failure, Kind, command


class Note(Struct, frozen=True):
    """What the clerk wrote down."""

    id: UUID
    text: str
    version: int


class NoNote(Failure, kind=Kind.NOT_FOUND, code="clerk:no_note"):
    """There is no note {note_id}."""

    note_id: UUID


class NoSuchItem(Failure, kind=Kind.NOT_FOUND, code="clerk:no_such_item"):
    """The rack does not have it."""


class Clerk(Contract, Protocol, name="clerk", version=1):
    """Notes about items."""

    @command("POST /notes", permission="clerk:write", refuses=[NoSuchItem], status=201)
    async def write(self, ctx: Context, *, item_id: UUID) -> Note:
        """Ask the rack and write down what it said."""
        ...

    @command("POST /notes/{note_id}/again", permission="clerk:write", refuses=[NoNote, NoSuchItem])
    async def again(self, ctx: Context, *, note_id: UUID, item_id: UUID | None = None, later: UUID | None = None) -> Note:
        """Ask the rack again and amend the note: about `later` if it was amended before; without an item ask nobody."""
        ...

    @command("POST /overreach", permission="clerk:write")
    async def overreach(self, ctx: Context) -> None:
        """Call the rack's command while deciding."""
        ...
