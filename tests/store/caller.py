"""A guest in a process of its own: `python -m tests.store.caller FOLDER WHAT COUNT`.

WHAT is `spread` (COUNT units on rows of its own), `hot` (COUNT turns on one row), or `stop` and `die`: it stops, or kills, itself
in the middle of a turn. It says `open` first and then what its last call came to.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from armature.conformance.database_accounts import STATEMENTS
from armature.conformance.database_world import LANE, Waiter, World, event
from armature.kernel.failure import Failure
from armature.ports.database import Committed, Read, Unit
from tests.store.pair import guest

_CALLERS = 8


async def call(folder: Path, what: str, count: int) -> None:
    """Do it."""
    database = guest(folder)
    await database.open()
    database.bind(STATEMENTS)
    world = World(database)
    print("open", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    if what in ("stop", "die"):
        await in_turn(world, signal.SIGSTOP if what == "stop" else signal.SIGKILL)
        return
    counts = [count // _CALLERS] * _CALLERS

    async def calls(number: int, times: int) -> None:
        for n in range(times):
            name = f"{os.getpid()}-{number}-{n}"
            verdict = await (world.step("hot") if what == "hot" else world.commit(world.opened(name), events=[event()]))
            assert isinstance(verdict, Committed), verdict

    await asyncio.gather(*(calls(number, times) for number, times in enumerate(counts)))
    await database.close()
    print(sum(counts), flush=True)


async def in_turn(world: World, how: signal.Signals) -> None:
    """Take a turn, and be stopped while deciding."""

    async def decide(read: Read) -> Unit:
        print("mine", flush=True)
        os.kill(os.getpid(), how)
        return Unit(LANE, Waiter(), (world.saved("hot", 99, 1),))

    try:
        print(await world.database.turn((), decide, Waiter()), flush=True)
    except Failure as failure:
        print(f"{failure.code}: {failure}", flush=True)
    await world.database.close()


if __name__ == "__main__":
    asyncio.run(call(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
