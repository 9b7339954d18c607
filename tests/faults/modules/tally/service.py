"""The use cases of the tally."""

from modules.tally.contract import Notes, Tally
from modules.tally.repository import NOTES

from armature import Context


class TallyService(Tally):
    """Notes in a table."""

    async def notes(self, ctx: Context) -> Notes:
        return await ctx.work.one(NOTES)
