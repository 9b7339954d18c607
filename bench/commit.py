"""How many units a second the database adapter commits: compare-and-set, key and event each, durable each.

`python -m bench.commit [FOLDER]` prints a line per number of callers. No HTTP, no pipeline: what is above is measured by the mix.
"""

import asyncio
import sys
import tempfile
from importlib.resources import files
from pathlib import Path
from time import perf_counter
from uuid import uuid4

import uvloop

from armature.adapters.sqlite.database import SqliteDatabase
from armature.conformance.database_accounts import BY_ID, STATEMENTS, TABLES, TENANT
from armature.conformance.database_world import Waiter, World, event, key
from armature.engine.policies import DatabasePolicy, QueryPolicy
from armature.ports.database import Committed

SECONDS = 3.0
FOUNDATION = (files("armature.engine") / "schema" / "0001_foundation.sqlite.sql").read_text()


async def one(world: World, name: str, until: float) -> int:
    """Read, decide, commit, again and again; return how often."""
    done, owner = 0, Waiter()
    while perf_counter() < until:
        ((before,),) = await world.database.read(((BY_ID, (TENANT, name)),))
        write = world.saved(name, before.value + 1, before.version)
        verdict = await world.commit(write, owner=owner, events=(event(),), key=key(uuid4().bytes))
        assert isinstance(verdict, Committed)
        done += 1
    return done


async def hot(world: World, until: float) -> int:
    done = 0
    while perf_counter() < until:
        assert isinstance(await world.step("hot"), Committed)
        done += 1
    return done


async def main(folder: Path) -> None:
    database = SqliteDatabase(folder / "commit.db", policy=DatabasePolicy(), queries=QueryPolicy(), turn_seconds=0.25)
    await database.open()
    await database.script(FOUNDATION + TABLES)
    database.bind(STATEMENTS)
    world = World(database)
    for callers in (1, 32, 256):
        names = [await world.account(f"{callers}-{n}") for n in range(callers)]
        batches, start = database.batches, perf_counter()
        done = sum(await asyncio.gather(*(one(world, name, start + SECONDS) for name in names)))
        rate, size = done / (perf_counter() - start), done / (database.batches - batches)
        print(f"{callers:4} callers  {rate:8.0f} commits/s  {size:6.1f} per fsync")
    await world.account("hot")
    start = perf_counter()
    done = sum(await asyncio.gather(*(hot(world, start + SECONDS) for _ in range(64))))
    print(f"  64 on one row {done / (perf_counter() - start):7.0f} turns/s")
    await database.close()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        uvloop.run(main(Path(sys.argv[1])))
    else:
        with tempfile.TemporaryDirectory() as made:
            uvloop.run(main(Path(made)))
