"""A process that writes to a database and tells the outside what it means to do, and what it was told.

`python -m tests.faults.sqlite_child work FILE PREFIX` commits units until it is killed or has done its share; `hold
FILE` takes the file's write lock and keeps it until a line arrives; `step FILE N` adds one to the account `hot`, N
times.
"""

import asyncio
import os
import sys

import apsw

from armature.conformance.database_world import World, event, key, run
from armature.ports.database import Committed

from .sqlite_world import sqlite_world

CALLERS = 4
UNITS_EACH = 10


def tell(*words: str) -> None:
    """One system call per line: what was said before a kill has been said."""
    os.write(1, (" ".join(words) + "\n").encode())


async def work(file: str, prefix: str) -> None:
    async with sqlite_world(file, fresh=False) as world:

        async def caller(c: int) -> None:
            for n in range(UNITS_EACH):
                name = f"{prefix}c{c}n{n}"
                tell("means", name)
                if c == 0:
                    assert isinstance(await world.step("hot"), Committed)
                    tell("stepped")
                verdict = await world.commit(world.opened(name), events=[event()], key=key(name.encode()))
                assert isinstance(verdict, Committed)
                tell("has", name)

        await asyncio.gather(*(caller(c) for c in range(CALLERS)))


async def step(file: str, times: int) -> None:
    async def steps(world: World) -> None:
        for _ in range(times):
            assert isinstance(await world.step("hot"), Committed)

    async with sqlite_world(file, fresh=False) as world:
        await asyncio.gather(*(steps(world) for _ in range(CALLERS)))


def hold(file: str) -> None:
    db = apsw.Connection(file)
    db.execute("begin immediate")
    tell("held")
    sys.stdin.readline()
    db.execute("rollback")
    db.close()


if __name__ == "__main__":
    verb, target, *rest = sys.argv[1:]
    if verb == "work":
        run(work(target, rest[0]))
    elif verb == "step":
        run(step(target, int(rest[0])))
    else:
        hold(target)
