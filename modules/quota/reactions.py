"""What quotas do about counters: they follow them, each step once and in its order."""

from armature import Context, Reaction, on
from modules.counter.contract import CounterChanged, CounterDeleted
from modules.quota import domain
from modules.quota.repository import FIRST, QuotaRepository


class Settle(Reaction, name="quota.settle"):
    """Moves what was reserved to what is used when a counter grows. Most counters have no quota; nothing is done about them."""

    def __init__(self, quotas: QuotaRepository) -> None:
        self._quotas = quotas

    @on(CounterChanged)
    async def changed(self, ctx: Context, event: CounterChanged) -> None:
        quota = await self._quotas.maybe(ctx.work, event.counter_id)
        if quota is None or event.version <= quota.since or not event.delta:
            return
        waiting = await self._quotas.after(ctx.work, event.counter_id, FIRST)
        after, touched, settled = domain.follow(quota, waiting, event)
        self._quotas.save(ctx.work, after, expected=quota.version)
        for reservation in touched:
            self._quotas.use(ctx.work, reservation)
        ctx.work.publish(settled)

    @on(CounterDeleted)
    async def deleted(self, ctx: Context, event: CounterDeleted) -> None:
        quota = await self._quotas.maybe(ctx.work, event.counter_id)
        if quota is not None:
            self._quotas.drop(ctx.work, quota)
            ctx.work.publish(domain.drop(quota))
