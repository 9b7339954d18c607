"""The use cases of the clerk."""

from uuid import UUID

from modules.clerk.contract import Clerk, NoNote, NoSuchItem, Note
from modules.clerk.repository import ADD, NOTE, SAVE
from modules.rack.contract import NoItem, Rack

from armature import Context
from tests.engine import probe


class ClerkService(Clerk):
    """Notes in a table; what is on the rack the clerk must ask."""

    def __init__(self, rack: Rack) -> None:
        self._rack = rack

    async def write(self, ctx: Context, *, item_id: UUID) -> Note:
        note = Note(ctx.new_id(), await self._asked(ctx, item_id), 1)
        ctx.work.plan(ADD, note)
        return note

    async def again(self, ctx: Context, *, note_id: UUID, item_id: UUID | None = None, later: UUID | None = None) -> Note:
        probe.runs["again"] += 1
        before = await ctx.work.one(NOTE, note_id=note_id, refuse=NoNote)
        about = later if later is not None and before.version > 1 else item_id
        text = before.text if about is None else await self._asked(ctx, about)
        after = Note(before.id, text, before.version + 1)
        if "again" in probe.gates:
            await probe.gates["again"].pass_()
        ctx.work.plan(SAVE, after, expected=before.version)
        return after

    async def overreach(self, ctx: Context) -> None:
        await self._rack.add(ctx, name="from the clerk")

    async def _asked(self, ctx: Context, item_id: UUID) -> str:
        try:
            return (await self._rack.get(ctx, item_id=item_id)).name
        except NoItem:
            raise NoSuchItem from None
