"""The limit for calls over gRPC: bare grpc.aio with message classes, one answer kept in memory; no database, none of the duties.

Run: python -m bench.limits.grpc_calls PORT   (HTTP on PORT says when it is ready, gRPC is one above)
"""

import sys
from typing import Any

import grpc
import uvloop
from grpc import aio

from armature.edges.grpc.messages import Messages
from armature.edges.grpc.schema import proto_file
from bench.limits.ready import stay_ready
from modules.counter.contract import Counters


async def main(port: int) -> None:
    messages = Messages()
    messages.add(proto_file([Counters]))
    request, counter = messages.of("counter.v1.GetRequest"), messages.of("counter.v1.Counter")

    async def get(asked: Any, context: Any) -> Any:
        return counter(id=asked.counter_id, name="visits", value=4_711, version=4_711)

    method = grpc.unary_unary_rpc_method_handler(get, request.FromString, counter.SerializeToString)
    server = aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("counter.v1.Counters", {"Get": method}),))
    server.add_insecure_port(f"127.0.0.1:{port + 1}")
    await server.start()

    await stay_ready(port)


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
