"""Ours without a wire: the same query through the pipeline of the process that asks, as a neighbour in it is asked.

Run: python -m bench.direct SECONDS CALLERS   (prints one line of JSON)
"""

import asyncio
import sys

from armature.edges.http.server import run_on_uvloop
from armature.testing.app import TestApp
from bench.closed import closed, tell
from bench.targets import ROOT


async def main(seconds: float, callers: int) -> None:
    async with TestApp(ROOT) as app:
        counter = await app.call("counter.create", name="visits")

        async def ask() -> None:
            await app.call("counter.get", counter_id=counter.id)

        async def ask_in_turn() -> None:
            # A read of the file waits for nothing, so that one of many callers would keep the loop to itself. Over a wire all
            # others are served between two of its calls: here too, and it waits for them in the same way.
            await asyncio.sleep(0)
            await ask()

        tell(await closed(ask if callers == 1 else ask_in_turn, callers, seconds))


if __name__ == "__main__":
    run_on_uvloop(main(float(sys.argv[1]), int(sys.argv[2])))
