"""The limit for calls over gRPC: bare grpc.aio with message classes, one answer kept in memory; no database, none of the duties.

With `read` it does what the limit over HTTP does: it reads the row and sends its tag.

Run: python -m bench.limits.grpc_calls PORT FOLDER [read]   (HTTP on PORT says when it is ready, gRPC is one above)
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import grpc
import uvloop
from grpc import aio

from armature.edges.grpc.messages import Messages
from armature.edges.grpc.schema import proto_file
from bench.limits.ready import stay_ready
from bench.limits.store import Store
from modules.counter.contract import Counters


async def main(port: int, folder: Path, reads: bool) -> None:
    messages = Messages()
    messages.add(proto_file([Counters]))
    request, counter = messages.of("counter.v1.GetRequest"), messages.of("counter.v1.Counter")

    async def get(asked: Any, context: Any) -> Any:
        return counter(id=asked.counter_id, name="visits", value=4_711, version=4_711)

    answer = _reading(Store(folder / "limit.db"), counter) if reads else get
    method = grpc.unary_unary_rpc_method_handler(answer, request.FromString, counter.SerializeToString)
    server = aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("counter.v1.Counters", {"Get": method}),))
    server.add_insecure_port(f"127.0.0.1:{port + 1}")
    await server.start()

    await stay_ready(port)


def _reading(store: Store, counter: Any) -> Callable[[Any, Any], Any]:
    there = store.create("public", "visits").id

    async def get(asked: Any, context: Any) -> Any:
        UUID(asked.counter_id)
        row = store.get("public", there)
        context.set_trailing_metadata((("etag", f'"{row.version}"'),))
        return counter(id=str(row.id), name=row.name, value=row.value, version=row.version)

    return get


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:] == ["read"]))
