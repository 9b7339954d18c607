"""What is peculiar to links over gRPC: bursts, replicas behind one name, and channels that close under a call."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from armature.adapters.grpc.links import GrpcLinks, Place
from armature.adapters.grpc.targets import Target, Targets
from armature.ports.links import LinkLost, NotSent
from tests.neighbours.pair import SECONDS_MAX, answering, asking, until

MANY = 2_500
"""gRPC cancels by chance what waits for a server beyond 1 000, and all beyond 3 000, unless it is told otherwise."""


async def test_of_a_burst_of_messages_none_is_thrown_away() -> None:
    async with answering(None) as app, asking(app.address, None) as edge:
        app.go.clear()
        async with asyncio.TaskGroup() as calls:
            asked = [calls.create_task(edge.ask("counter", b"%d" % n, SECONDS_MAX * 2)) for n in range(MANY)]
            await until(lambda: len(app.had) == MANY)
            app.go.set()
        assert [one.result() for one in asked] == [b"answer to %d" % n for n in range(MANY)]


class Name(Targets):
    """One name that several addresses stand for, as a name server tells them."""

    def __init__(self, addresses: Sequence[str]) -> None:
        super().__init__(Path("/nowhere"), {})
        self._target = Target(f"ipv4:{','.join(addresses)}", "app")

    def of(self, processes: Sequence[str]) -> list[Target]:
        return [self._target]


async def test_all_replicas_behind_one_name_are_used_and_one_that_dies_is_passed_over() -> None:
    async with answering(None) as one, answering(None) as two:
        edge = GrpcLinks(Place(None, {"counter": ["app"]}, Name([one.address, two.address])))
        try:

            async def both() -> None:
                while not (one.had and two.had):
                    await edge.ask("counter", b"hello", SECONDS_MAX)

            await asyncio.wait_for(both(), SECONDS_MAX)
            await one.links.close()
            had = len(two.had)
            answers = [await _patient(edge) for _ in range(10)]
            assert answers == [b"answer to hello"] * 10
            assert len(two.had) == had + 10
        finally:
            await edge.close()


async def _patient(edge: GrpcLinks) -> bytes:
    """A connection that breaks just now may cost a question its answer, as everywhere."""
    while True:
        try:
            return await edge.ask("counter", b"hello", SECONDS_MAX)
        except (LinkLost, NotSent):
            await asyncio.sleep(0.002)


async def test_a_call_whose_channel_is_closed_is_lost_and_its_task_goes_on() -> None:
    async with answering(None) as app, asking(app.address, None) as edge:
        app.go.clear()
        call = asyncio.create_task(edge.ask("counter", b"hello", SECONDS_MAX))
        await until(lambda: app.had == [b"hello"])
        await edge.close()
        with pytest.raises(LinkLost, match="closed while it was asked"):
            await call


async def test_a_caller_who_leaves_ends_the_work_on_the_other_side() -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def slow(message: bytes) -> bytes:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return b""

    app = GrpcLinks(Place("127.0.0.1:0", {}, Targets(Path("/nowhere"), {})))
    await app.answer(["counter"], slow)
    async with asking(app.listening or "", None) as edge:
        call = asyncio.create_task(edge.ask("counter", b"hello", SECONDS_MAX))
        await began.wait()
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        assert call.cancelled()
        await asyncio.wait_for(ended.wait(), SECONDS_MAX)
    await app.close()


def test_addresses_of_replicas_are_written_with_commas() -> None:
    targets = Targets(Path("/nowhere"), {"app": "one:9443, two:9443"})
    assert targets.of(["app"]) == [Target("dns:///one:9443", "app"), Target("dns:///two:9443", "app")]
