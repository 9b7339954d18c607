"""The use cases of the shelf; queries tell the probe that they ran, and wait where it says so."""

from uuid import UUID

from modules.shelf.contract import Box, Filled, Load, NoBox, Shelf
from modules.shelf.projections import LOAD
from modules.shelf.repository import ADD, BY_ID, SAVE
from msgspec import structs

from armature import Context
from tests.live import probe


class ShelfService(Shelf):
    """Boxes in a table."""

    async def put(self, ctx: Context, *, weight: int) -> Box:
        box = Box(ctx.new_id(), weight, 1)
        ctx.work.plan(ADD, box)
        ctx.work.publish(Filled(box.id, weight, 1))
        return box

    async def fill(self, ctx: Context, *, box_id: UUID, more: int) -> Box:
        before = await ctx.work.one(BY_ID, box_id=box_id, refuse=NoBox)
        after = structs.replace(before, weight=before.weight + more, version=before.version + 1)
        ctx.work.plan(SAVE, after, expected=before.version)
        ctx.work.publish(Filled(after.id, more, after.version))
        return after

    async def get(self, ctx: Context, *, box_id: UUID) -> Box:
        box = await ctx.work.one(BY_ID, box_id=box_id, refuse=NoBox)
        await probe.ran("get")
        return box

    async def load(self, ctx: Context) -> Load:
        load = await ctx.work.maybe(LOAD) or Load(0)
        await probe.ran("load")
        return load
