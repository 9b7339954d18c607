"""Processes of a topology that serve in this test's loop, on servers of the test's own."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from armature.runtime.model import Model, load
from armature.runtime.process import Listening, serve
from armature.testing.clock import Clock
from tests.model.effects import Running

__all__ = ["ROOT", "at", "process"]

ROOT = Path(__file__).parents[2]


def at(root: Path, topology: str, data: Path, environ: Mapping[str, str]) -> Model:
    """Read a topology as a start would; it listens on a free port."""
    flags = {"--data": str(data), "--port": "0", "--health-port": "0"}
    return load(root, topology=topology, environment=None, flags=flags, environ=environ)


@asynccontextmanager
async def process(model: Model, environ: Mapping[str, str], name: str | None = None) -> AsyncIterator[Running]:
    """Serve as one process of the topology until the block ends."""
    listening: asyncio.Future[Listening] = asyncio.get_running_loop().create_future()
    task: asyncio.Task[Any] = asyncio.create_task(serve(model, environ, listening.set_result, process=name))
    await asyncio.wait((task, listening), return_when=asyncio.FIRST_COMPLETED)
    if not listening.done():
        task.result()
    try:
        yield Running(listening.result(), model, Clock())
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
