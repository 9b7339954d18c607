"""What happens at the pier."""

import asyncio
from pathlib import Path

from modules.pier.contract import Crate, NoRoom, Pier, Seen
from modules.pier.repository import ADD, ALL, CLIMB, COUNT

from armature import Context

_LOOK_SECONDS = 0.002


class _Gate:
    """A gate of a test, which may be in another process: files are what both can see."""

    def __init__(self, name: str) -> None:
        self._at, self._open, self._left = (Path(f"{name}.{word}") for word in ("at", "open", "left"))

    async def passing(self) -> None:
        """Say that somebody is there, and wait for the test; who is sent away says so."""
        self._at.touch()
        try:
            while not self._open.exists():  # noqa: ASYNC110  (nobody announces it)
                await asyncio.sleep(_LOOK_SECONDS)
        except asyncio.CancelledError:
            self._left.touch()
            raise


class PierService(Pier):
    """Crates on a table."""

    async def load(self, ctx: Context, *, note: str, gate: str = "") -> Crate:
        if note == "too much":
            raise NoRoom(note=note)
        if gate:
            await _Gate(gate).passing()
        crate = Crate(ctx.new_id(), note)
        ctx.work.plan(ADD, crate)
        return crate

    async def count(self, ctx: Context, *, note: str) -> Seen:
        return Seen(await ctx.work.one(COUNT, note=note))

    async def watch(self, ctx: Context, *, gate: str = "") -> Seen:
        if gate:
            await _Gate(gate).passing()
        return Seen(await ctx.work.one(ALL))

    async def glance(self, ctx: Context, *, gate: str) -> Seen:
        return await self.watch(ctx, gate=gate)

    async def climb(self, ctx: Context, *, steps: int) -> Seen:
        return Seen(await ctx.work.one(CLIMB, steps=steps))

    async def stumble(self, ctx: Context) -> Seen:
        raise ValueError("the words of a bug")
