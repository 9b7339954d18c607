"""The use cases of quotas. Each reads as a sentence: get, decide, save, tell."""

from datetime import timedelta
from uuid import UUID

from armature import Context, Page
from modules.counter.contract import Counters
from modules.quota import domain
from modules.quota.contract import Quota, Quotas, Reservation, Usage
from modules.quota.repository import QuotaRepository


class QuotaService(Quotas):
    """Quotas on this module's own tables, beside the counters of a neighbour."""

    def __init__(self, quotas: QuotaRepository, counters: Counters) -> None:
        self._quotas = quotas
        self._counters = counters

    async def set_limit(self, ctx: Context, *, counter_id: UUID, allowed: int) -> Quota:
        before = await self._quotas.maybe(ctx.work, counter_id)
        # A neighbour's answer is advice: the counter may move before this is committed. Its next event puts `used` right.
        counter = await self._counters.get(ctx, counter_id=counter_id)
        if before is None:
            quota, told = domain.begin(counter, allowed)
            self._quotas.begin(ctx.work, quota)
        else:
            quota, told = domain.resize(before, allowed)
            self._quotas.save(ctx.work, quota, expected=before.version)
        ctx.work.publish(told)
        return quota

    async def get(self, ctx: Context, *, counter_id: UUID) -> Quota:
        return await self._quotas.get(ctx.work, counter_id)

    async def usage(self, ctx: Context, *, counter_id: UUID) -> Usage:
        quota = await self._quotas.get(ctx.work, counter_id)
        return domain.usage(quota, await self._counters.get(ctx, counter_id=counter_id))

    async def reserve(self, ctx: Context, *, counter_id: UUID, amount: int = 1, seconds: int = 600) -> Reservation:
        before = quota = await self._quotas.get(ctx.work, counter_id)
        for late in await self._quotas.expired(ctx.work, counter_id, ctx.now):
            quota, released = domain.release(quota, late)
            self._quotas.end(ctx.work, late)
            ctx.work.publish(released)
        quota, reservation, reserved = domain.reserve(quota, ctx.new_id(), amount, ctx.now + timedelta(seconds=seconds))
        self._quotas.claim(ctx.work, reservation)
        self._quotas.save(ctx.work, quota, expected=before.version)
        ctx.work.publish(reserved)
        return reservation

    async def release(self, ctx: Context, *, counter_id: UUID, reservation_id: UUID) -> None:
        before = await self._quotas.get(ctx.work, counter_id)
        reservation = await self._quotas.reservation(ctx.work, counter_id, reservation_id)
        quota, released = domain.release(before, reservation)
        self._quotas.end(ctx.work, reservation)
        self._quotas.save(ctx.work, quota, expected=before.version)
        ctx.work.publish(released)

    async def reservations(
        self, ctx: Context, *, counter_id: UUID, limit: int = 30, cursor: str | None = None
    ) -> Page[Reservation]:
        await self._quotas.get(ctx.work, counter_id)
        rows = await self._quotas.after(ctx.work, counter_id, ctx.after(cursor, UUID), limit + 1)
        return ctx.page(rows, limit, key=lambda reservation: reservation.id)
