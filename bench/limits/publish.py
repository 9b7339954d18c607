"""The limit for publishing: frames written by hand over a bare connection to JetStream, acks counted, a window in flight.

Run: python -m bench.limits.publish URL EVENTS   (prints one line of JSON)
"""

import asyncio
import sys
import time
from urllib.parse import urlsplit
from uuid import uuid4

import msgspec
import uvloop

STREAM = "bench_limit"
WINDOW, STEP = 2_048, 256
PAYLOAD = b'{"operation":"increment","by":1,"value":4711,"version":4711,"counter_id":"0190c0de-0000-7000-8000-000000000001"}'
# As large as what ours says about an event beside its payload.
LINE = b"x" * 200
SETTINGS = {
    "name": STREAM,
    "subjects": [f"{STREAM}.>"],
    "storage": "file",
    "retention": "limits",
    "discard": "new",
    "max_bytes": 1 << 30,
    "num_replicas": 1,
    "duplicate_window": 120_000_000_000,
}


class Acks(asyncio.Protocol):
    """Counts acks; everything else the server says here is a greeting, a PING or an error."""

    def __init__(self) -> None:
        self.count = 0
        self.made = asyncio.Event()
        self.moved = asyncio.Event()
        self._tail = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # uvloop's transports are not asyncio's by class

    def data_received(self, data: bytes) -> None:
        data = self._tail + data
        if b"PING\r\n" in data and self._transport is not None:
            self._transport.write(b"PONG\r\n")
        if b"-ERR" in data or b'"error"' in data:
            raise SystemExit(f"the server refused: {data[:300]!r}")
        if b"stream_create_response" in data:
            self.made.set()
        end = data.rfind(b"\r\n") + 2
        self.count += data[:end].count(b'"seq":')
        self._tail = data[end:]
        self.moved.set()


async def main(url: str, events: int) -> None:
    address = urlsplit(url)
    transport, acks = await asyncio.get_running_loop().create_connection(Acks, address.hostname, address.port)
    create = msgspec.json.encode(SETTINGS)
    transport.write(b'CONNECT {"verbose":false,"pedantic":false,"headers":true,"protocol":1}\r\nSUB made 1\r\nSUB acks 2\r\n')
    transport.write(b"PUB $JS.API.STREAM.CREATE.%b made %d\r\n%b\r\n" % (STREAM.encode(), len(create), create))
    await acks.made.wait()
    ids = [str(uuid4()).encode() for _ in range(events)]
    started, sent = time.perf_counter(), 0
    acks.count = 0
    while acks.count < events:
        while sent < events and sent - acks.count < WINDOW:
            transport.write(b"".join(_frame(key) for key in ids[sent : sent + STEP]))
            sent += STEP
        acks.moved.clear()
        if acks.count < events:
            await acks.moved.wait()
    seconds = time.perf_counter() - started
    transport.close()
    sys.stdout.write(msgspec.json.encode({"events": events, "seconds": seconds}).decode() + "\n")


def _frame(key: bytes) -> bytes:
    head = b"NATS/1.0\r\nNats-Msg-Id:%b\r\nArmature-Event:%b\r\n\r\n" % (key, LINE)
    sizes = (len(head), len(head) + len(PAYLOAD))
    return b"HPUB bench_limit.event.counter.changed acks %d %d\r\n%b%b\r\n" % (*sizes, head, PAYLOAD)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2])))
