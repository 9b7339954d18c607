"""The use cases of errands; the kept query tells the probe that it ran."""

from uuid import UUID

from modules.errand import probe
from modules.errand.contract import Errand, ErrandDone, ErrandPlaced, Errands, NoErrand, Runs
from modules.errand.repository import ADD, BY_ID, RUNS, SAVE

from armature import Context


class ErrandService(Errands):
    """Errands in a table."""

    async def place(self, ctx: Context) -> Errand:
        errand = Errand(ctx.new_id(), False, 1)
        ctx.work.plan(ADD, errand)
        ctx.work.publish(ErrandPlaced(errand.id, 1))
        return errand

    async def finish(self, ctx: Context, *, errand_id: UUID) -> Errand:
        before = await ctx.work.one(BY_ID, errand_id=errand_id, refuse=NoErrand)
        after = Errand(before.id, True, before.version + 1)
        ctx.work.plan(SAVE, after, expected=before.version)
        ctx.work.publish(ErrandDone(after.id, after.version))
        return after

    async def get(self, ctx: Context, *, errand_id: UUID) -> Errand:
        errand = await ctx.work.one(BY_ID, errand_id=errand_id, refuse=NoErrand)
        await probe.ran(str(errand_id))
        return errand

    async def runs(self, ctx: Context) -> Runs:
        return await ctx.work.one(RUNS)
