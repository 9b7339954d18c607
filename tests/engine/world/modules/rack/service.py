"""The use cases of the rack; each tells the probe that it runs, and waits where the probe says so."""

from uuid import UUID

from modules.rack.contract import Changed, Closed, Count, Item, NoItem, NotYet, Rack, Secretive
from modules.rack.repository import ADD, BY_ID, REMOVE, SAVE, SHRINK_ALL
from msgspec import structs

from armature import Context
from tests.engine import probe


class RackService(Rack):
    """Items in a table."""

    async def add(self, ctx: Context, *, name: str) -> Item:
        return await self._added(ctx, "add", name)

    async def get(self, ctx: Context, *, item_id: UUID) -> Item:
        probe.runs["get"] += 1
        return await ctx.work.one(BY_ID, item_id=item_id, refuse=NoItem)

    async def grow(self, ctx: Context, *, item_id: UUID, by: int = 1) -> Item:
        before = await self._entered(ctx, "grow", item_id)
        after = structs.replace(before, size=before.size + by, version=before.version + 1)
        ctx.work.plan(SAVE, after, expected=before.version)
        ctx.work.publish(Changed(after.id, after.version))
        return after

    async def beside(self, ctx: Context, *, item_id: UUID, name: str) -> Item:
        await self._entered(ctx, "beside", item_id)
        ctx.work.guard(BY_ID, item_id=item_id)
        item = Item(ctx.new_id(), name, 0, 1)
        ctx.work.plan(ADD, item)
        return item

    async def drop(self, ctx: Context, *, item_id: UUID) -> None:
        await _wait("before_drop")
        before = await self._entered(ctx, "drop", item_id)
        ctx.work.plan(REMOVE, before, expected=before.version)

    async def patient(self, ctx: Context, *, name: str) -> Item:
        return await self._added(ctx, "patient", name)

    async def required(self, ctx: Context, *, name: str) -> Item:
        return await self._added(ctx, "required", name)

    async def unkeyed(self, ctx: Context, *, name: str) -> Item:
        return await self._added(ctx, "unkeyed", name)

    async def closed(self, ctx: Context) -> None:
        probe.runs["closed"] += 1
        raise Closed(reason=f"season {probe.runs['closed']}")

    async def not_yet(self, ctx: Context) -> None:
        probe.runs["not_yet"] += 1
        raise NotYet

    async def secretive(self, ctx: Context) -> None:
        raise Secretive

    async def read_after_plan(self, ctx: Context, *, item_id: UUID) -> None:
        before = await self._entered(ctx, "read_after_plan", item_id)
        ctx.work.plan(SAVE, structs.replace(before, version=before.version + 1), expected=before.version)
        await ctx.work.one(BY_ID, item_id=item_id)

    async def planned_twice(self, ctx: Context, *, item_id: UUID) -> None:
        before = await self._entered(ctx, "planned_twice", item_id)
        for size in (1, 2):
            ctx.work.plan(SAVE, structs.replace(before, size=size, version=before.version + 1), expected=before.version)

    async def lost_for_ever(self, ctx: Context, *, item_id: UUID) -> None:
        before = await self._entered(ctx, "lost_for_ever", item_id)
        ctx.work.plan(SAVE, before, expected=before.version + 7)

    async def many(self, ctx: Context, *, count: int, letters: int = 1) -> Count:
        for n in range(count):
            ctx.work.plan(ADD, Item(ctx.new_id(), f"{n:x<{letters}}", 0, 1))
        return Count(count)

    async def shrink_all(self, ctx: Context) -> None:
        ctx.work.plan(SHRINK_ALL)

    async def large_answer(self, ctx: Context, *, letters: int) -> str:
        ctx.work.plan(ADD, Item(ctx.new_id(), "large", 0, 1))
        return "x" * letters

    async def plans(self, ctx: Context) -> Count:
        ctx.work.plan(SHRINK_ALL)
        return Count(0)

    async def _added(self, ctx: Context, operation: str, name: str) -> Item:
        probe.runs[operation] += 1
        item = Item(ctx.new_id(), name, 0, 1)
        ctx.work.plan(ADD, item)
        ctx.work.publish(Changed(item.id, 1))
        await _wait(operation)
        return item

    async def _entered(self, ctx: Context, operation: str, item_id: UUID) -> Item:
        probe.runs[operation] += 1
        item = await ctx.work.one(BY_ID, item_id=item_id, refuse=NoItem)
        await _wait(operation)
        return item


async def _wait(operation: str) -> None:
    if operation in probe.gates:
        await probe.gates[operation].pass_()
