"""The limit's storage alone: 32 callers in this process, reads and then commands; prints one line of JSON.

Run: python -m bench.limits.bare_postgres URL COUNTERS SECONDS
"""

import asyncio
import random
import sys
import time
from collections.abc import Awaitable, Callable
from uuid import uuid4

import msgspec
import uvloop

from bench.limits.store_postgres import PostgresStore

CALLERS = 32


async def main(url: str, counters: int, seconds: float) -> None:
    store = PostgresStore(url)
    await store.open()
    ids = [(await store.create("public", str(uuid4()))).id for _ in range(counters)]
    reads = await _rate(seconds, lambda: store.get("public", random.choice(ids)))
    commands = await _rate(seconds, lambda: store.move("public", "increment", uuid4().hex, (random.choice(ids), 1)))
    await store.close()
    sys.stdout.write(msgspec.json.encode({"reads": reads, "commands": commands}).decode() + "\n")


async def _rate(seconds: float, call: Callable[[], Awaitable[object]]) -> float:
    started = time.perf_counter()
    until = started + seconds

    async def caller() -> int:
        done = 0
        while time.perf_counter() < until:
            await call()
            done += 1
        return done

    total = sum(await asyncio.gather(*(caller() for _ in range(CALLERS))))
    return total / (time.perf_counter() - started)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
