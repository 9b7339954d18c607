"""The use case of the desk: ask everybody at once, and say who did not answer."""

from asyncio import gather
from uuid import UUID

from armature import Context, Failure, Kind
from modules.counter.contract import CounterNotFound, Counters
from modules.desk.contract import Board, Desk
from modules.quota.contract import NoQuota, Quotas, Usage

AWAY = (Kind.UNAVAILABLE, Kind.TIMEOUT)


class DeskService(Desk):
    """Neighbours' answers, nothing of its own."""

    def __init__(self, counters: Counters, quotas: Quotas) -> None:
        self._counters = counters
        self._quotas = quotas

    async def board(self, ctx: Context, *, counter_id: UUID) -> Board:
        # Without the counter there is nothing to show, so its refusals are the desk's; a quota can be missing.
        counter, (usage, away) = await gather(self._counters.get(ctx, counter_id=counter_id), self._usage(ctx, counter_id))
        return Board(counter, usage, ["quota"] if away else [])

    async def _usage(self, ctx: Context, counter_id: UUID) -> tuple[Usage | None, bool]:
        try:
            return await self._quotas.usage(ctx, counter_id=counter_id), False
        except (NoQuota, CounterNotFound):
            return None, False
        except Failure as failure:
            if failure.kind not in AWAY:
                raise
            return None, True
