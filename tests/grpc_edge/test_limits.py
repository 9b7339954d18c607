"""How long, how large, how many: what a client may not do, and what it is told."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import grpc
from grpc import aio

from armature.engine.overload import OverloadGuard
from tests.edges.wire import until
from tests.grpc_edge.conftest import Levers, Open, OpenLevers, Site
from tests.grpc_edge.refusal import bare, refused
from tests.grpc_edge.rig import address
from tests.model import probe

HEALTH = "/grpc.health.v1.Health"


async def test_a_call_without_a_deadline_gets_the_operation_s(levers: OpenLevers) -> None:
    async with levers() as found:
        late = await refused(found.stub.Patient(found.messages.PatientRequest()))
        assert (late.code, late.info.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "system:deadline")


async def test_a_client_s_shorter_deadline_ends_the_handler(levers: OpenLevers) -> None:
    async with levers() as found:
        late = await bare(found.stub.Hold(found.messages.HoldRequest(gate="held"), timeout=0.3))
        assert late.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert probe.arrived["held"] == 1
        await _nothing_runs(found)


async def test_a_cancelled_query_is_cancelled_here(levers: OpenLevers) -> None:
    async with levers() as found:
        call = found.stub.Hold(found.messages.HoldRequest(gate="held"))
        await _at("held", call)
        call.cancel()
        await _nothing_runs(found)


async def test_a_cancelled_command_that_still_decides_leaves_nothing_behind(levers: OpenLevers) -> None:
    async with levers() as found:
        m, stub = found.messages, found.stub
        lever = await stub.Add(m.AddRequest())
        call = stub.Pull(m.PullRequest(lever_id=lever.id, gate="held"))
        await _at("held", call)
        call.cancel()
        await _nothing_runs(found)
        probe.open_gate("held")
        assert (await stub.Get(m.GetRequest(lever_id=lever.id))).version == 1


async def test_a_twin_of_a_cancelled_command_has_the_effect_once(levers: OpenLevers) -> None:
    async with levers() as found:
        m, stub = found.messages, found.stub
        lever = await stub.Add(m.AddRequest())
        key = (("idempotency-key", "pull-it"),)
        call = stub.Pull(m.PullRequest(lever_id=lever.id, gate="held"), metadata=key)
        await _at("held", call)
        call.cancel()
        probe.open_gate("held")
        pulled = await stub.Pull(m.PullRequest(lever_id=lever.id, gate="held"), metadata=key)
        assert pulled.version == 2
        assert (await stub.Get(m.GetRequest(lever_id=lever.id))).version == 2


async def test_a_bug_tells_nothing_of_itself_unless_it_may(levers: OpenLevers) -> None:
    for shown in ("true", "false"):
        async with levers(HTTP__ERROR_DETAILS=shown) as found:
            bug = await refused(found.stub.Bug(found.messages.BugRequest()))
            assert (bug.code, bug.info.reason) == (grpc.StatusCode.INTERNAL, "system:bug")
            assert (b"the words of a bug" in bug.status.SerializeToString()) == (shown == "true")
            assert ("the words of a bug" in str(bug.debug)) == (shown == "true")


async def test_a_message_beyond_the_cap_never_arrives(site: Open) -> None:
    async with site(GRPC__MESSAGE_BYTES_MAX="1000") as found:
        fits = found.messages.CreateRequest(name="a", note="x" * 500)
        assert (await found.counters.Create(fits)).name == "a"
        large = await bare(found.counters.Create(found.messages.CreateRequest(name="b", note="x" * 1_000)))
        assert large.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_metadata_beyond_the_cap_never_arrives(site: Open) -> None:
    async with site(GRPC__METADATA_BYTES_MAX="2000") as found:
        request = found.messages.TotalsRequest()
        await found.counters.Totals(request, metadata=(("x-something", "x" * 1_000),))
        large = await bare(found.counters.Totals(request, metadata=(("x-something", "x" * 3_000),)))
        assert large.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_more_open_calls_than_the_cap_are_refused(levers: OpenLevers) -> None:
    async with levers(GRPC__CALLS_MAX="2") as found:
        calls = [found.stub.Hold(found.messages.HoldRequest(gate="held")) for _ in range(2)]
        await _at("held", *calls)
        third = await bare(found.stub.Open(found.messages.OpenRequest()))
        assert third.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        probe.open_gate("held")
        await asyncio.gather(*calls)


async def test_of_a_burst_below_the_cap_no_call_is_thrown_away(site: Open) -> None:
    """gRPC cancels by chance what waits to be taken up beyond 1 000, unless it is told otherwise."""
    async with site() as found:
        ended = await _burst(found, connections=3, calls=1_000)
        assert ended == {"OK": 3_000}


async def test_calls_beyond_what_may_wait_are_hung_up_on_and_the_next_one_is_answered(site: Open) -> None:
    async with site(GRPC__CALLS_MAX="20", GRPC__CALLS_PER_CONNECTION_MAX="20") as found:
        ended = await _burst(found, connections=20, calls=20)
        assert ended["CANCELLED"] and ended.keys() <= {"OK", "CANCELLED", "RESOURCE_EXHAUSTED"}
        await found.counters.Totals(found.messages.TotalsRequest())


async def test_both_edges_share_one_guard(levers: OpenLevers) -> None:
    async with levers(HTTP__RUNNING_MAX="1", HTTP__WAITING_MAX="1") as found:
        guard: OverloadGuard = found.system.apps.doors.guard
        held = found.stub.Hold(found.messages.HoldRequest(gate="held"))
        await _at("held", held)
        waits = found.stub.Open(found.messages.OpenRequest())
        await until(lambda: guard.waiting == 1)
        full = await refused(found.stub.Open(found.messages.OpenRequest()))
        assert (full.code, full.info.reason) == (grpc.StatusCode.UNAVAILABLE, "system:overloaded")
        assert full.retry is not None
        probe.open_gate("held")
        await asyncio.gather(held, waits)


async def test_a_client_that_pings_without_end_loses_its_connection(site: Open) -> None:
    async with site(GRPC__PING_SECONDS_MIN="3600") as found:
        options = [
            ("grpc.keepalive_time_ms", 1_000),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.max_pings_without_data", 0),
            ("grpc.use_local_subchannel_pool", 1),
        ]
        seen: list[grpc.ChannelConnectivity] = []
        async with aio.insecure_channel(address(found.system), options=options) as channel:
            await channel.unary_unary("/grpc.health.v1.Health/Check")(b"")
            state = channel.get_state()
            async with asyncio.timeout(30):
                while grpc.ChannelConnectivity.IDLE not in seen:
                    await channel.wait_for_state_change(state)
                    state = channel.get_state()
                    seen.append(state)


async def _burst(found: Site, connections: int, calls: int) -> Counter[str]:
    """Make so many calls on each of so many connections before the server looks at any, and count how they ended."""
    async with AsyncExitStack() as opened:
        ends: list[Any] = []
        for _ in range(connections):
            alone = [("grpc.use_local_subchannel_pool", 1)]
            channel = await opened.enter_async_context(aio.insecure_channel(address(found.system), options=alone))
            await channel.channel_ready()
            ends.append(channel.unary_unary("/counter.v1.Counters/Totals"))
        return Counter(await asyncio.gather(*(_end(end(b"")) for end in ends for _ in range(calls))))


async def _end(call: Any) -> str:
    code: grpc.StatusCode = await call.code()
    return code.name


async def _at(gate: str, *calls: Any) -> None:
    await until(lambda: probe.arrived[gate] == len(calls))


async def _nothing_runs(found: Levers) -> None:
    core = found.system.core
    await until(lambda: not core.parts.deadlines.running and not found.system.apps.doors.guard.running)


async def test_who_sends_no_message_loses_his_place(levers: OpenLevers) -> None:
    async with levers(GRPC__CALLS_MAX="4", HTTP__BODY_SECONDS="0.2") as found:
        held = asyncio.Event()

        async def nothing_yet() -> AsyncIterator[bytes]:
            await held.wait()
            yield b""

        paths = [f"/{found.messages.DESCRIPTOR.package}.Levers/{name}" for name in ("Get", "Pull")] + [
            f"{HEALTH}/Check",
            f"{HEALTH}/Watch",
        ]
        async with asyncio.timeout(20):
            silent = [await bare(found.channel.stream_unary(path)(nothing_yet())) for path in paths]
        held.set()
        assert {late.code() for late in silent} == {grpc.StatusCode.DEADLINE_EXCEEDED}
        assert (await refused(found.stub.Get(found.messages.GetRequest()))).info.reason == "request:invalid"


async def test_a_call_without_a_message_is_refused(levers: OpenLevers) -> None:
    async with levers() as found:
        for path in (f"/{found.messages.DESCRIPTOR.package}.Levers/Get", f"{HEALTH}/Check", f"{HEALTH}/Watch"):
            async with asyncio.timeout(20):
                empty = await bare(found.channel.stream_unary(path)(iter(())))
            assert empty.code() is grpc.StatusCode.INVALID_ARGUMENT
