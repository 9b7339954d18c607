"""Asks a module of another process, as a neighbour does: `python -m bench.asked WHAT SECONDS CALLERS [URL]`; prints JSON.

WHAT is `ours` (over gRPC and a socket of this machine; with the URL of a server over NATS), or a limit, `bare-grpc` or
`bare-nats`, which carries a message of the same size and answers from memory. The answering side is a process of its own.
"""

import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import msgspec
import nats
import uvloop
from grpc import aio

from armature.engine.call import Identity
from armature.runtime.model import load
from armature.runtime.process import Part, open_system
from armature.runtime.project import load_project
from bench.targets import ROOT

__all__: list[str] = []

Ask = Callable[[], Awaitable[Any]]

# As long as a sealed `counter.get` and its answer.
MESSAGE, ANSWER = b"m" * 330, b"a" * 190
WHO = Identity("bench", frozenset(("*",)))


async def answer(what: str, place: str) -> None:
    """Be the other side, until killed."""
    if what == "bare-nats":
        client = await nats.connect(place)

        async def told(message: Any) -> None:
            await message.respond(ANSWER)

        await client.subscribe("bench", queue="bench", cb=told)
        await client.flush()
    else:

        async def said(message: bytes, context: Any) -> bytes:
            return ANSWER

        handler = grpc.unary_unary_rpc_method_handler(said)
        server = aio.server()
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench", {"Ask": handler}),))
        server.add_insecure_port(f"unix:{place}")
        await server.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


@contextlib.asynccontextmanager
async def asking(what: str, url: str, folder: Path) -> AsyncIterator[Ask]:
    """Yield what asks once."""
    if what.startswith("bare"):
        place = url or str(folder / "bare.sock")
        with _child("bench.asked", "answer", what, place):
            if what == "bare-nats":
                client = await nats.connect(place)
                yield lambda: client.request("bench", MESSAGE, timeout=10)
                await client.close()
            else:
                async with aio.insecure_channel(f"unix:{place}") as channel:
                    method = channel.unary_unary("/bench/Ask")
                    yield lambda: method(MESSAGE, timeout=10)
        return
    environ = {"ARMATURE_NEIGHBOURS__TRANSPORT": "nats", "ARMATURE_NEIGHBOURS__URL": url} if url else {}
    words = ["run", "--topology", "layered", "--process", "app", "--health-port", "0", "--data", str(folder)]
    with _child("armature.cli.main", *words, environ=environ):
        model = load(ROOT, topology="layered", environment=None, flags={"--data": str(folder)}, environ=environ)
        edge = await open_system(model, load_project(ROOT), {**os.environ, **environ}, part=Part("edge"))
        assert edge.core.neighbours is not None
        known = {one.operation.name: one for one in edge.core.neighbours.operations if one.operation.contract == "counter"}
        while edge.health.missing():  # noqa: ASYNC110  (another process's readiness is asked)
            await asyncio.sleep(0.05)
        create, get = known["create"], known["get"]
        made = await create.run(create.new_call("public", WHO, "bench-made"), {"name": "visits", "note": None}, "local", ())
        counter = made.result.id
        yield lambda: get.run(get.new_call("public", WHO, "bench-asked"), {"counter_id": counter}, "local", ())
        await edge.close()


@contextlib.contextmanager
def _child(module: str, *words: str, environ: dict[str, str] | None = None) -> Any:
    code = "from armature.cli.main import main; main()"
    command = ["-c", code] if module.startswith("armature") else ["-m", module]
    with subprocess.Popen(
        [sys.executable, *command, *words], cwd=ROOT, env={**os.environ, **(environ or {})}, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        try:
            child.stdout.readline()
            yield
        finally:
            child.kill()


async def main(what: str, seconds: float, callers: int, url: str) -> None:
    waits: list[float] = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        async with asking(what, url, Path(folder)) as ask:
            for _ in range(50):
                await ask()
            end = time.perf_counter() + seconds

            async def caller() -> None:
                while (sent := time.perf_counter()) < end:
                    await ask()
                    waits.append(time.perf_counter() - sent)

            began = time.perf_counter()
            await asyncio.gather(*(caller() for _ in range(callers)))
            took = time.perf_counter() - began
    waits.sort()
    p50, p99 = waits[len(waits) // 2] * 1e3, waits[int(len(waits) * 0.99)] * 1e3
    told = {"calls": len(waits), "seconds": took, "refused": 0, "p50_ms": p50, "p99_ms": p99}
    sys.stdout.write(msgspec.json.encode(told).decode() + "\n")


if __name__ == "__main__":
    if sys.argv[1] == "answer":
        uvloop.run(answer(sys.argv[2], sys.argv[3]))
    else:
        uvloop.run(main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), sys.argv[4] if len(sys.argv) > 4 else ""))
