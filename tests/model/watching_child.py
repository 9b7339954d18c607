"""A process that holds a watcher's lease and is told from outside when to go on: `python -m tests.model.watching_child DATA`."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from secrets import token_hex

from armature import Background, Context
from armature.engine.lease import Lease
from armature.engine.watching import BackgroundRunner
from armature.kernel.refusals import Unavailable
from armature.runtime.model import load
from armature.runtime.process import System, open_system
from armature.runtime.project import load_project
from armature.runtime.roles.turn import Turn
from modules.counter.contract import Counter
from modules.counter.repository import ADD

__all__ = ["LEASE_SECONDS", "Add", "opened", "runner", "turn"]

ROOT = Path(__file__).parents[2]
LEASE_SECONDS = 1.5


class Add(Background, name="counter.add"):
    """Makes one counter, when it is let."""

    def __init__(self, called: str, *, told: bool = False) -> None:
        self._called = called
        self._told = told

    async def step(self, ctx: Context) -> bool:
        if self._told:
            print("in its step", flush=True)
            await asyncio.to_thread(sys.stdin.readline)
        ctx.work.plan(ADD, Counter(ctx.new_id(), self._called, None, 0, 1))
        return False


@asynccontextmanager
async def opened(data: Path) -> AsyncIterator[System]:
    """A system on a data folder that another process uses as well."""
    model = load(ROOT, topology="single", environment=None, flags={"--data": str(data)}, environ={})
    system = await open_system(model, load_project(ROOT), {})
    try:
        yield system
    finally:
        await system.close()


def turn(system: System) -> Turn:
    """A turn at it, by lease."""
    return Turn(Lease(system.core.database, "watcher:counter.add", token_hex(4), LEASE_SECONDS))


def runner(system: System, background: Add) -> BackgroundRunner:
    """What runs it as its module."""
    return BackgroundRunner(background, system.core.shops["counter"], system.core.parts)


async def main(data: Path) -> None:
    """Hold the lease, begin a step, and say how it ended."""
    async with opened(data) as system:
        mine = turn(system)
        assert await mine.taken()
        fence = mine.fence()
        try:
            async with mine.kept():
                await runner(system, Add("late", told=True)).step(fence)
        except Unavailable as refused:
            print(refused, flush=True)
        else:
            print("committed", flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
