"""What levers do; `probe` is how a test steers them."""

import asyncio
from uuid import UUID

from modules.lever.contract import Lever, Levers, NoLever, Pulled, Seen
from modules.lever.projections import PULLS
from modules.lever.repository import ADD, BY_ID, CLIMB, SAVE, STALL, TOIL, WIPE
from msgspec import structs

from armature import Context, Http, HttpRequest
from tests.model import probe


class LeverService(Levers):
    """Levers on a table."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def add(self, ctx: Context, *, note: str = "") -> Lever:
        lever = Lever(ctx.new_id(), note, 1)
        ctx.work.plan(ADD, lever)
        return lever

    async def pull(self, ctx: Context, *, lever_id: UUID, gate: str = "", lines: int = 1) -> Lever:
        before = await ctx.work.one(BY_ID, lever_id=lever_id, refuse=NoLever)
        await probe.wait_at(gate)
        after = structs.replace(before, version=before.version + 1)
        ctx.work.plan(SAVE, after, expected=before.version)
        ctx.work.publish(Pulled(lever_id, after.version, lines))
        return after

    async def push(self, ctx: Context, *, lever_id: UUID) -> Lever:
        return await self.pull(ctx, lever_id=lever_id)

    async def many(self, ctx: Context, *, count: int, letters: int = 1) -> Seen:
        for _ in range(count):
            ctx.work.plan(ADD, Lever(ctx.new_id(), "x" * letters, 1))
        return Seen(count)

    async def wipe(self, ctx: Context) -> None:
        ctx.work.plan(WIPE)

    async def toil(self, ctx: Context, *, size: int) -> None:
        ctx.work.plan(TOIL, size=size)

    async def tell(self, ctx: Context, *, times: int = 1, lines: int = 1) -> Seen:
        ctx.work.publish(*(Pulled(ctx.new_id(), 1, lines) for _ in range(times)))
        return Seen(times)

    async def hold_command(self, ctx: Context, *, gate: str) -> None:
        await probe.wait_at(gate)

    async def hold(self, ctx: Context, *, gate: str) -> None:
        await probe.wait_at(gate)

    async def patient(self, ctx: Context) -> None:
        await asyncio.Event().wait()

    async def get(self, ctx: Context, *, lever_id: UUID) -> Lever:
        return await ctx.work.one(BY_ID, lever_id=lever_id, refuse=NoLever)

    async def stall(self, ctx: Context, *, size: int) -> Seen:
        return Seen(await ctx.work.one(STALL, size=size))

    async def climb(self, ctx: Context, *, steps: int) -> Seen:
        return Seen(await ctx.work.one(CLIMB, steps=steps))

    async def seen(self, ctx: Context) -> Seen:
        return Seen(await ctx.work.maybe(PULLS) or 0)

    async def say(self, ctx: Context, *, letters: int) -> str:
        return "x" * letters

    async def open(self, ctx: Context) -> Seen:
        return Seen(0)

    async def bug(self, ctx: Context) -> None:
        raise ValueError("the words of a bug")

    async def ask(self, ctx: Context, *, url: str) -> Seen:
        answer = await self._http.send(ctx, HttpRequest(method="GET", url=url))
        return Seen(answer.status)

    async def ask_while_deciding(self, ctx: Context, *, url: str) -> Seen:
        return await self.ask(ctx, url=url)
