"""Asks a module of another process, as a neighbour does: `python -m bench.asked WHAT SECONDS CALLERS FOLDER`; prints JSON.

WHAT is `ours`, or `bare` for the limit, which carries a message of the same size. The answering side (`targets_links.py`) is a
process of its own with its data in FOLDER; both speak gRPC over a socket there, or NATS where ARMATURE_NEIGHBOURS__URL names one.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import nats
import uvloop
from grpc import aio

from armature.engine.call import Identity
from armature.runtime.model import load
from armature.runtime.process import Part, open_system
from armature.runtime.project import load_project
from bench.closed import Ask, closed, tell
from bench.limits.links import METHOD, SOCKET, SUBJECT
from bench.targets import ROOT

__all__: list[str] = []

# As long as a sealed `counter.get`.
MESSAGE = b"m" * 330
WHO = Identity("bench", frozenset(("*",)))
TIMEOUT_SECONDS = 10


@contextlib.asynccontextmanager
async def bare(folder: Path) -> AsyncIterator[Ask]:
    """Yield what asks the limit once."""
    if url := os.environ.get("ARMATURE_NEIGHBOURS__URL"):
        client = await nats.connect(url)
        yield lambda: client.request(SUBJECT, MESSAGE, timeout=TIMEOUT_SECONDS)
        await client.close()
        return
    async with aio.insecure_channel(f"unix:{folder / SOCKET}") as channel:
        method: Any = channel.unary_unary(METHOD)
        yield lambda: method(MESSAGE, timeout=TIMEOUT_SECONDS)


@contextlib.asynccontextmanager
async def ours(folder: Path) -> AsyncIterator[Ask]:
    """Yield what asks for one counter once."""
    model = load(ROOT, topology="layered", environment=None, flags={"--data": str(folder)}, environ=os.environ)
    edge = await open_system(model, load_project(ROOT), dict(os.environ), part=Part("edge"))
    assert edge.core.neighbours is not None
    known = {one.operation.name: one for one in edge.core.neighbours.operations if one.operation.contract == "counter"}
    while edge.health.missing():  # noqa: ASYNC110  (another process's readiness is asked)
        await asyncio.sleep(0.05)
    create, get = known["create"], known["get"]
    name = f"visits {uuid4()}"
    made = await create.run(create.new_call("public", WHO, "bench-made"), {"name": name, "note": None}, "local", ())
    counter = made.result.id
    yield lambda: get.run(get.new_call("public", WHO, "bench-asked"), {"counter_id": counter}, "local", ())
    await edge.close()


async def main(what: str, seconds: float, callers: int, folder: Path) -> None:
    async with (bare if what == "bare" else ours)(folder) as ask:
        told = await closed(ask, callers, seconds)
    tell(told)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])))
