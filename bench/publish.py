"""Ours in the row `publish`: the bus adapter publishes windows of events, as the relay hands them over, and waits for their acks.

Reading the log and moving the cursor are the relay's; the bare publisher has neither. Run: python -m bench.publish URL EVENTS
"""

import sys
import time
from datetime import UTC, datetime
from uuid import uuid4

import msgspec

from armature.adapters.nats.bus import NatsBus
from armature.adapters.nats.connection import NatsConnection
from armature.edges.http.server import run_on_uvloop
from armature.ports.bus import Message
from bench.limits.publish import PAYLOAD

WINDOW = 2_048
STREAMS = 1_000


async def main(url: str, events: int) -> None:
    bus = NatsBus(NatsConnection(url), f"bench{uuid4().hex[:8]}")
    await bus.open()
    messages = [_message(n) for n in range(events)]
    started, at = time.perf_counter(), 0
    while at < events:
        at += await bus.publish(messages[at : at + WINDOW])
    seconds = time.perf_counter() - started
    await bus.close()
    sys.stdout.write(msgspec.json.encode({"events": events, "seconds": seconds}).decode() + "\n")


def _message(n: int) -> Message:
    return Message(
        event_id=uuid4(),
        log="0123456789abcdef",
        epoch=1,
        position=n + 1,
        type="counter.changed",
        schema=1,
        tenant_id="public",
        stream=f"counter/0190c0de-0000-7000-8000-{n % STREAMS:012d}",
        stream_version=n // STREAMS + 1,
        payload=PAYLOAD,
        correlation_id=uuid4().hex,
        causation_id=uuid4().hex,
        trace=None,
        actor="developer",
        occurred_at=datetime.now(UTC),
    )


if __name__ == "__main__":
    run_on_uvloop(main(sys.argv[1], int(sys.argv[2])))
