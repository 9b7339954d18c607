"""On which terms a neighbour is asked, over real gRPC: a budget for retries, so many at once, and a breaker with one probe."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from grpc import aio
from msgspec import structs

from armature.engine.outbound import Rhythm
from armature.engine.policies import NeighbourPolicy
from armature.engine.remote_way import Errand, Way
from armature.kernel.refusals import PlatformRefusal
from tests.neighbours.pair import SECONDS_MAX, asking, until

POLICY = NeighbourPolicy()
NEVER_OPEN = structs.replace(POLICY, breaker_volume_min=1_000_000)
RESERVE = 3
"""The retries that a quiet hour allows, whatever the share (engine.retry_budget)."""


class Faulty:
    """Answers over gRPC as a test says: loses every message while `lost`, keeps them all while `go` is unset, and lets nobody
    in after the first if it `refuses_then`."""

    def __init__(self) -> None:
        self.had = self.in_hand = self.most = 0
        self.lost = self.refuses_then = False
        self.go = asyncio.Event()
        self.go.set()
        self.address = ""

    async def ask(self, message: bytes, context: aio.ServicerContext[bytes, bytes]) -> bytes:
        self.had += 1
        self.in_hand += 1
        self.most = max(self.most, self.in_hand)
        try:
            await self.go.wait()
        finally:
            self.in_hand -= 1
        if self.refuses_then and self.had > 1:
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, "not any more")
        if self.lost:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "lost on the way")
        return message


@asynccontextmanager
async def faulty() -> AsyncIterator[Faulty]:
    there = Faulty()
    handler: Any = grpc.unary_unary_rpc_method_handler(there.ask)
    server = aio.server(options=[("grpc.server.max_pending_requests", 100_000)])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("armature.links.v1.Links", {"Ask": handler}),))
    there.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    yield there
    await server.stop(0)


class Time:
    """The clock of a way, which a test moves; pauses between attempts pass at once."""

    def __init__(self) -> None:
        self.now = 1_000.0

    async def _pass(self, seconds: float) -> None:
        await asyncio.sleep(0)

    def rhythm(self) -> Rhythm:
        return Rhythm(lambda: self.now, self._pass, lambda: 0.5)


async def ask(way: Way, time: Time, *, reads: bool = True, keyed: bool = False) -> str:
    """Return `ok`, or the code of the refusal."""
    try:
        await way.ask(Errand(lambda seconds: b"hello", time.now + SECONDS_MAX, reads, keyed))
    except PlatformRefusal as refusal:
        return refusal.code
    return "ok"


async def test_retries_are_a_tenth_of_the_calls_and_a_reserve() -> None:
    calls, time = 300, Time()
    async with faulty() as there, asking(there.address, None) as links:
        there.lost = True
        way = Way("counter", links, NEVER_OPEN, rhythm=time.rhythm())
        told = Counter([await ask(way, time) for _ in range(calls)])
        assert told == {"system:unavailable": calls}
        assert calls < there.had <= calls * 1.1 + RESERVE


async def test_what_may_have_been_done_is_not_sent_again_without_a_key() -> None:
    time = Time()
    async with faulty() as there, asking(there.address, None) as links:
        there.lost = True
        way = Way("counter", links, NEVER_OPEN, rhythm=time.rhythm())
        assert await ask(way, time, reads=False) == "commit:unknown"
        assert there.had == 1
        assert await ask(way, time, reads=False, keyed=True) == "commit:unknown"
        assert there.had == 1 + POLICY.attempts_max


async def test_a_refusal_of_the_second_attempt_says_nothing_of_the_first() -> None:
    time = Time()
    for policy in (structs.replace(POLICY, breaker_volume_min=1), structs.replace(NEVER_OPEN, attempts_max=2)):
        async with faulty() as there, asking(there.address, None) as links:
            there.lost = there.refuses_then = True
            way = Way("counter", links, policy, rhythm=time.rhythm())
            assert await ask(way, time, reads=False, keyed=True) == "commit:unknown"
            assert (there.had, way.barred) == ((1, True) if policy.breaker_volume_min == 1 else (2, False))


@pytest.mark.slow
async def test_of_ten_thousand_callers_at_once_so_many_run_so_many_wait_and_the_rest_is_refused() -> None:
    time = Time()
    async with faulty() as there, asking(there.address, None) as links:
        there.go.clear()
        way = Way("counter", links, POLICY, rhythm=time.rhythm())
        async with asyncio.TaskGroup() as group:
            calls = [group.create_task(ask(way, time)) for _ in range(10_000)]
            refused = 10_000 - POLICY.running_max - POLICY.waiting_max
            await until(lambda: sum(one.done() for one in calls) == refused and there.in_hand == POLICY.running_max)
            there.go.set()
        assert Counter(one.result() for one in calls) == {"system:unavailable": refused, "ok": 10_000 - refused}
        assert there.most == POLICY.running_max


async def test_after_its_rest_a_neighbour_is_asked_by_one_probe_which_closes_the_breaker() -> None:
    time = Time()
    async with faulty() as there, asking(there.address, None) as links:
        way = Way("counter", links, structs.replace(POLICY, attempts_max=1, breaker_volume_min=5), rhythm=time.rhythm())
        there.lost = True
        assert [await ask(way, time) for _ in range(8)] == ["system:unavailable"] * 8
        assert (there.had, way.barred) == (5, True)
        there.lost, time.now = False, time.now + POLICY.breaker_open_seconds
        there.go.clear()
        async with asyncio.TaskGroup() as group:
            crowd = [group.create_task(ask(way, time)) for _ in range(200)]
            await until(lambda: sum(one.done() for one in crowd) == 199 and there.had == 6)
            there.go.set()
        assert Counter(one.result() for one in crowd) == {"ok": 1, "system:unavailable": 199}
        assert (there.had, way.barred) == (6, False)
        assert [await ask(way, time) for _ in range(3)] == ["ok"] * 3


async def test_a_probe_whose_caller_leaves_lets_the_next_one_try() -> None:
    time = Time()
    async with faulty() as there, asking(there.address, None) as links:
        way = Way("counter", links, structs.replace(POLICY, attempts_max=1, breaker_volume_min=1), rhythm=time.rhythm())
        there.lost = True
        await ask(way, time)
        there.lost, time.now = False, time.now + POLICY.breaker_open_seconds
        there.go.clear()
        probe = asyncio.create_task(ask(way, time))
        await until(lambda: there.had == 2)
        probe.cancel()
        await asyncio.gather(probe, return_exceptions=True)
        there.go.set()
        assert await ask(way, time) == "ok"
