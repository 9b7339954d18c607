"""Ours without a wire: the same query through the pipeline of the process that asks, as a neighbour in it is asked.

Run: python -m bench.direct SECONDS   (prints one line of JSON)
"""

import sys
import time

import msgspec

from armature.edges.http.server import run_on_uvloop
from armature.testing.app import TestApp
from bench.targets import ROOT


async def main(seconds: float) -> None:
    async with TestApp(ROOT) as app:
        counter = await app.call("counter.create", name="visits")
        waits: list[float] = []
        began = time.perf_counter()
        while (sent := time.perf_counter()) < began + seconds:
            await app.call("counter.get", counter_id=counter.id)
            waits.append(time.perf_counter() - sent)
        took = time.perf_counter() - began
    waits.sort()
    p50, p99 = waits[len(waits) // 2] * 1e3, waits[int(len(waits) * 0.99)] * 1e3
    told = {"calls": len(waits), "seconds": took, "refused": 0, "p50_ms": p50, "p99_ms": p99}
    sys.stdout.write(msgspec.json.encode(told).decode() + "\n")


if __name__ == "__main__":
    run_on_uvloop(main(float(sys.argv[1])))
