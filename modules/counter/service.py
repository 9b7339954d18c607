"""The use cases of counters. Each reads as a sentence: get, decide, save, tell."""

from typing import Literal
from uuid import UUID

from msgspec import UNSET, UnsetType

from armature import Context, Page
from modules.counter import domain
from modules.counter.contract import Counter, CounterNotFound, Counters, Line, SameCounter, Totals
from modules.counter.projections import CounterViews
from modules.counter.repository import CounterRepository


class CounterService(Counters):
    """Counters on this module's own tables."""

    def __init__(self, counters: CounterRepository, views: CounterViews) -> None:
        self._counters = counters
        self._views = views

    async def create(self, ctx: Context, *, name: str, note: str | None = None) -> Counter:
        counter, created = domain.create(ctx.new_id(), name, note)
        self._counters.add(ctx.work, counter)
        ctx.work.publish(created)
        return counter

    async def totals(self, ctx: Context) -> Totals:
        return await self._views.totals(ctx.work)

    async def get(self, ctx: Context, *, counter_id: UUID) -> Counter:
        return await self._counters.get(ctx.work, counter_id)

    async def list(
        self,
        ctx: Context,
        *,
        limit: int = 30,
        cursor: str | None = None,
        page: int | UnsetType = UNSET,
        size: int = 10,
        sort: Literal["name", "value", "created"] = "created",
        order: Literal["asc", "desc"] = "asc",
    ) -> Page[Counter]:
        if page is not UNSET:
            items, total = await self._counters.numbered(ctx.work, sort, order, page, size)
            return Page.numbered(items, page=page, size=size, total=total)
        rows = await self._counters.after(ctx.work, ctx.after(cursor, UUID), limit + 1)
        return ctx.page(rows, limit, key=lambda counter: counter.id)

    async def increment(self, ctx: Context, *, counter_id: UUID, by: int = 1) -> Counter:
        before = await self._counters.get(ctx.work, counter_id)
        after, changed = domain.increment(before, by)
        self._counters.save(ctx.work, after, expected=before.version)
        ctx.work.publish(changed)
        return after

    async def decrement(self, ctx: Context, *, counter_id: UUID, by: int = 1) -> Counter:
        before = await self._counters.get(ctx.work, counter_id)
        after, changed = domain.decrement(before, by)
        self._counters.save(ctx.work, after, expected=before.version)
        ctx.work.publish(changed)
        return after

    async def reset(self, ctx: Context, *, counter_id: UUID) -> Counter:
        before = await self._counters.get(ctx.work, counter_id)
        after, changed = domain.reset(before)
        self._counters.save(ctx.work, after, expected=before.version)
        ctx.work.publish(changed)
        return after

    async def transfer(self, ctx: Context, *, counter_id: UUID, to: UUID, by: int) -> Counter:
        if counter_id == to:
            raise SameCounter
        source = await self._counters.get(ctx.work, counter_id)
        target = await self._counters.get(ctx.work, to)
        (giver, given), (taker, taken) = domain.transfer(source, target, by)
        self._counters.save(ctx.work, giver, expected=source.version)
        self._counters.save(ctx.work, taker, expected=target.version)
        ctx.work.publish(given, taken)
        return giver

    async def edit(
        self,
        ctx: Context,
        *,
        counter_id: UUID,
        name: str | UnsetType = UNSET,
        note: str | UnsetType | None = UNSET,
    ) -> Counter:
        before = await self._counters.get(ctx.work, counter_id)
        after, changed = domain.edit(before, name, note)
        self._counters.save(ctx.work, after, expected=before.version)
        ctx.work.publish(changed)
        return after

    async def delete(self, ctx: Context, *, counter_id: UUID) -> None:
        before = await self._counters.get(ctx.work, counter_id)
        self._counters.remove(ctx.work, before)
        ctx.work.publish(domain.delete(before))

    async def history(self, ctx: Context, *, counter_id: UUID, limit: int = 30, cursor: str | None = None) -> Page[Line]:
        lines = await self._views.history(ctx.work, counter_id, ctx.after(cursor, int), limit + 1)
        if not lines and cursor is None:
            raise CounterNotFound(counter_id=counter_id)
        return ctx.page(lines, limit, key=lambda line: line.version)
