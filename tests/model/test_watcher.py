"""A module's background work: steps, commits, failures, and one process at a time."""

import asyncio
import signal
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from armature import Background, Context
from armature.engine.lease import Lease
from armature.engine.watching import BackgroundRunner
from armature.runtime.process import System
from armature.runtime.roles.turn import Turn
from armature.runtime.roles.watcher import WatcherRole
from armature.testing import TestApp
from modules.counter.repository import COUNT
from tests.edges.wire import until
from tests.model.watching_child import LEASE_SECONDS, Add, opened, runner, turn

ROOT = Path(__file__).parents[2]


class Follow(Background, name="counter.follow", pause_seconds=0.01):
    """Does what a test wants, and counts."""

    def __init__(self) -> None:
        self.steps = 0
        self.fails = 0
        self.seen: list[Any] = []

    async def step(self, ctx: Context) -> bool:
        self.steps += 1
        self.seen.append((ctx.tenant, ctx.actor))
        if self.fails:
            self.fails -= 1
            raise OSError("the outside is away")
        return False


def role(app: TestApp, follow: Follow, turn: Turn | None = None) -> WatcherRole:
    core = app.system.core
    return WatcherRole([(BackgroundRunner(follow, core.shops["counter"], core.parts), turn or Turn())])


async def test_a_background_runs_as_its_module_and_goes_on_after_a_failure(tmp_path: Path) -> None:
    async with TestApp(ROOT) as app:
        follow = Follow()
        follow.fails = 1
        watcher = role(app, follow)
        watcher.start()
        await until(lambda: bool(watcher.readiness()) or follow.steps > 1)
        await until(lambda: follow.steps > 2 and not watcher.readiness())
        await watcher.stop()
        assert follow.seen[0] == ("public", "module:counter")
        steps = follow.steps
        await asyncio.sleep(0)
        assert follow.steps == steps


async def test_one_process_at_a_time_runs_it_and_a_stop_hands_it_over() -> None:
    async with AsyncExitStack() as stack:
        app = await stack.enter_async_context(TestApp(ROOT))
        first, second = Follow(), Follow()
        turns = [Turn(Lease(app.system.core.database, "watcher:counter.follow", name, 600.0)) for name in ("a", "b")]
        one, two = role(app, first, turns[0]), role(app, second, turns[1])
        one.start()
        await until(lambda: first.steps > 0)
        two.start()
        before = first.steps
        await until(lambda: first.steps > before + 3)
        assert second.steps == 0 and two.readiness() == []
        await one.stop()
        await until(lambda: second.steps > 0)
        await two.stop()


async def test_a_step_that_takes_longer_than_its_lease_keeps_it(tmp_path: Path) -> None:
    class Slow(Add, name="counter.slow"):
        async def step(self, ctx: Context) -> bool:
            await asyncio.sleep(1.4 * LEASE_SECONDS)
            return await super().step(ctx)

    async with opened(tmp_path) as system:
        mine, other = turn(system), turn(system)
        watcher = WatcherRole([(runner(system, Slow("slow")), mine)])
        watcher.start()
        await until(lambda: mine.mine)
        taken = False
        while await counters(system) == 0:
            taken = taken or await other.taken()
        await watcher.stop()
        assert not taken and watcher.readiness() == []


@pytest.mark.slow
async def test_a_holder_that_was_paused_beyond_its_lease_writes_nothing_any_more(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.model.watching_child", str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:  # noqa: ASYNC220
        assert child.stdin is not None and child.stdout is not None
        try:
            assert await asyncio.to_thread(child.stdout.readline) == "in its step\n"
            async with opened(tmp_path) as system:
                mine = turn(system)
                assert not await mine.taken(), "two hold it"
                child.send_signal(signal.SIGSTOP)
                async with asyncio.timeout(20):
                    while not await mine.taken():  # noqa: ASYNC110  (the database is asked)
                        await asyncio.sleep(0.02)
                await runner(system, Add("first")).step(mine.fence())
                child.send_signal(signal.SIGCONT)
                child.stdin.write("\n")
                child.stdin.flush()
                assert "counter.add was not committed (Conflict)" in await asyncio.to_thread(child.stdout.readline)
                assert await counters(system) == 1
        finally:
            child.kill()


async def counters(system: System) -> int:
    ((count,),) = await system.core.database.read(((COUNT, ("public",)),))
    return int(count)
