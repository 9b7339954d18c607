"""The load for gRPC: a plain client of grpcio that reads one counter over one channel, in its own process.

It costs more than the servers under test, so look at what a call costs the server, which the row shows beside throughput.
Run: python -m bench.grpc_load PORT COUNTER CALLERS SECONDS   (prints one line of JSON)
"""

import sys
from typing import Any

import grpc
import uvloop
from grpc import aio

from bench.closed import closed, tell

METHOD = "/counter.v1.Counters/Get"


async def main(port: int, counter: str, callers: int, seconds: float) -> None:
    # `message GetRequest { optional string counter_id = 1; }`
    request = b"\x0a" + bytes([len(counter)]) + counter.encode()
    async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call: Any = channel.unary_unary(METHOD)
        tell(await closed(lambda: call(request), callers, seconds, refusal=grpc.RpcError))


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
