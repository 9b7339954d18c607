"""The load for gRPC: a plain client of grpcio that reads one counter over one channel, in its own process.

It costs more than the servers under test, so look at what a call costs the server, which the row shows beside throughput.
Run: python -m bench.grpc_load PORT COUNTER CALLERS SECONDS   (prints one line of JSON)
"""

import asyncio
import sys
import time
from typing import Any

import grpc
import msgspec
import uvloop
from grpc import aio

METHOD = "/counter.v1.Counters/Get"


async def main(port: int, counter: str, callers: int, seconds: float) -> None:
    # `message GetRequest { optional string counter_id = 1; }`
    request = b"\x0a" + bytes([len(counter)]) + counter.encode()
    waits: list[float] = []
    refused = 0
    async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call: Any = channel.unary_unary(METHOD)
        for _ in range(20):
            await call(request)
        until = time.perf_counter() + seconds

        async def caller() -> None:
            nonlocal refused
            while (sent := time.perf_counter()) < until:
                try:
                    await call(request)
                except grpc.RpcError:
                    refused += 1
                waits.append(time.perf_counter() - sent)

        began = time.perf_counter()
        await asyncio.gather(*[caller() for _ in range(callers)])
        took = time.perf_counter() - began
    waits.sort()
    told = {
        "calls": len(waits),
        "seconds": took,
        "refused": refused,
        "p50_ms": waits[len(waits) // 2] * 1e3,
        "p99_ms": waits[int(len(waits) * 0.99)] * 1e3,
    }
    sys.stdout.write(msgspec.json.encode(told).decode() + "\n")


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
