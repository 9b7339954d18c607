"""Another process on the same file: waited for, refused in words when it takes too long, and never lost against."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from armature.conformance.database_accounts import Account
from armature.conformance.database_world import event, raises, run
from armature.engine.policies import DatabasePolicy
from armature.kernel.refusals import Unavailable
from armature.ports.database import Committed

from .sqlite_world import sqlite_world

STEPS = 25
CALLERS = 4


def child(*words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.faults.sqlite_child", *words]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_a_lock_that_is_given_back_in_time_is_waited_for_while_reads_go_on(tmp_path: Path) -> None:
    async def story() -> None:
        async with sqlite_world(tmp_path / "two.db") as world:
            await world.account("a", 3)
            with child("hold", str(tmp_path / "two.db")) as other:
                assert other.stdout is not None and other.stdin is not None
                assert await asyncio.to_thread(other.stdout.readline) == "held\n"
                waits = [asyncio.create_task(world.commit(world.opened(f"n{n}"), events=[event()])) for n in range(8)]
                for _ in range(50):
                    assert await world.find("a") == Account("a", 3, 1)
                    await asyncio.sleep(0)  # a read alone may give nobody else a turn
                assert not any(wait.done() for wait in waits)
                other.communicate("go\n")
            assert {type(verdict) for verdict in await asyncio.gather(*waits)} == {Committed}

    run(story())


@pytest.mark.parametrize("busy_seconds", [0.05, 0.4])  # shorter and longer than a turn
def test_a_lock_that_stays_is_refused_for_everybody_and_then_forgotten(tmp_path: Path, busy_seconds: float) -> None:
    async def story() -> None:
        async with sqlite_world(tmp_path / "two.db", DatabasePolicy(busy_seconds=busy_seconds)) as world:
            await world.account("a")
            with child("hold", str(tmp_path / "two.db")) as other:
                assert other.stdout is not None
                assert await asyncio.to_thread(other.stdout.readline) == "held\n"
                waits = [raises(Unavailable, world.commit(world.opened(f"n{n}"))) for n in range(8)]
                assert all("another process" in str(error) for error in await asyncio.gather(*waits))
                assert "another process" in str(await raises(Unavailable, world.step("a")))
                assert "another process" in str(await raises(Unavailable, world.database.script("create table t (a)")))
                other.communicate("go\n")
            assert isinstance(await world.commit(world.opened("n1")), Committed)

    run(story())


def test_two_processes_on_one_row_lose_no_step(tmp_path: Path) -> None:
    async def story() -> None:
        async with sqlite_world(tmp_path / "two.db") as world:
            await world.account("hot")
            with child("step", str(tmp_path / "two.db"), str(STEPS)) as other:

                async def steps() -> None:
                    for _ in range(STEPS):
                        assert isinstance(await world.step("hot"), Committed)

                await asyncio.gather(*(steps() for _ in range(CALLERS)))
                assert await asyncio.to_thread(other.wait, 60) == 0
            hot = await world.find("hot")
            assert hot == Account("hot", 2 * STEPS * CALLERS, 2 * STEPS * CALLERS + 1)

    run(story())
