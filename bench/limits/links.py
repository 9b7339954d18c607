"""The limit for a question to another process: the bare transport answers from memory with a message as long as ours.

Run: python -m bench.limits.links PORT FOLDER   (HTTP on PORT says when it is ready; gRPC is on a socket in FOLDER, or NATS at the
server that ARMATURE_NEIGHBOURS__URL names)
"""

import os
import sys
from pathlib import Path
from typing import Any

import grpc
import nats
import uvloop
from grpc import aio

from bench.limits.ready import stay_ready

__all__ = ["METHOD", "SOCKET", "SUBJECT"]

METHOD, SOCKET, SUBJECT = "/bench/Ask", "bare.sock", "bench"

# As long as the sealed answer of `counter.get`.
ANSWER = b"a" * 190


async def over_nats(url: str, port: int) -> None:
    client = await nats.connect(url)

    async def told(message: Any) -> None:
        await message.respond(ANSWER)

    await client.subscribe(SUBJECT, queue="bench", cb=told)
    await client.flush()
    await stay_ready(port)


async def over_grpc(folder: Path, port: int) -> None:
    async def said(message: bytes, context: Any) -> bytes:
        return ANSWER

    handler: Any = grpc.unary_unary_rpc_method_handler(said)
    server = aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench", {"Ask": handler}),))
    server.add_insecure_port(f"unix:{folder / SOCKET}")
    await server.start()
    await stay_ready(port)


if __name__ == "__main__":
    url, listens = os.environ.get("ARMATURE_NEIGHBOURS__URL"), int(sys.argv[1])
    uvloop.run(over_nats(url, listens) if url else over_grpc(Path(sys.argv[2]), listens))
