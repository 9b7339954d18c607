"""A neighbour's query beside the method behind it: `python -m bench.neighbour_call SECONDS` prints the best time of each.

Short stretches of the two in turn; of each the best counts, since both run the same code but for what is measured, and what a
busy machine adds falls on either.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from armature.engine.call import Identity
from armature.engine.work import UnitOfWork
from armature.runtime.model import load
from armature.runtime.process import open_system
from armature.runtime.project import load_project
from bench.targets import ROOT
from modules.counter.contract import Counters

__all__: list[str] = []

WHO = Identity("bench", frozenset(("*",)))
STRETCH = 200


async def main(seconds: float) -> None:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        model = load(ROOT, topology="single", environment=None, flags={"--data": folder}, environ={})
        system = await open_system(model, load_project(ROOT), dict(os.environ))
        core = system.core
        create, get = core.pipeline("counter.create"), core.pipeline("counter.get")
        made = await create.run(create.new_call("public", WHO, "made"), {"name": "visits", "note": None}, "local", ())
        service: Any = core.modules["counter"].offers[0]
        asked: Any = core.asked[Counters][0]
        outer = core.pipeline("quota.usage").new_call("public", WHO, "outer")
        inner = get.new_call("public", WHO, "inner")
        inner.work = UnitOfWork(core.shops["counter"], inner, may_plan=False)
        counter = made.result.id

        async def stretch(call: Callable[[], Awaitable[Any]]) -> float:
            outer.deadline = time.monotonic() + 2.0
            began = time.perf_counter()
            for _ in range(STRETCH):
                await call()
            return (time.perf_counter() - began) / STRETCH * 1e3

        plain, ours = [], []
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            plain.append(await stretch(lambda: service.get(inner, counter_id=counter)))
            ours.append(await stretch(lambda: asked.get(outer, counter_id=counter)))
        await system.close()
    told = {"calls": len(ours) * STRETCH, "seconds": seconds, "refused": 0, "p50_ms": min(plain), "p99_ms": min(ours)}
    sys.stdout.write(msgspec.json.encode(told).decode() + "\n")


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1])))
