"""An edge that hosts nothing serves the modules behind it over gRPC as well: calls, refusals, replays and streams."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode, aio
from msgspec import structs

from armature.edges.grpc.schema import proto_file
from armature.edges.grpc.schema_text import pins
from armature.runtime.model import load
from armature.runtime.process import Part, open_system
from armature.runtime.project import load_project
from armature.runtime.topology import ProcessSpec
from modules.counter.contract import Counters
from tests.grpc_edge.refusal import Refused
from tests.grpc_edge.stock import Stock, stock

ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def edge(data: Path, made: Stock) -> AsyncIterator[Any]:
    """Yield a stub on the gRPC port of an edge, with the modules in another process behind it."""
    environ = {"ARMATURE_GRPC__PORT": "0"}
    model = load(ROOT, topology="layered", environment=None, flags={"--data": str(data)}, environ=environ)
    processes = {**model.topology.processes, "edge": ProcessSpec(modules=[], roles=["http", "grpc"])}
    model = structs.replace(model, topology=structs.replace(model.topology, processes=processes))
    project = load_project(ROOT)
    app = await open_system(model, project, environ, part=Part("app"))
    try:
        front = await open_system(model, project, environ, part=Part("edge"))
        try:
            assert front.grpc is not None and not front.core.grounded
            await front.grpc.start()
            while front.health.missing():  # noqa: ASYNC110  (readiness is asked, nobody announces it)
                await asyncio.sleep(0.01)
            async with aio.insecure_channel(front.grpc.address) as channel:
                yield made.stubs.CountersStub(channel)
            await front.grpc.stop()
        finally:
            await front.close()
    finally:
        await app.close()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Stock:
    known = pins((ROOT / "contracts" / "counter.v1.proto").read_text())
    return stock(proto_file([Counters], known), tmp_path_factory.mktemp("stock"))


async def test_calls_go_through_and_are_answered_as_if_the_module_lived_here(tmp_path: Path, made: Stock) -> None:
    m = made.messages
    async with edge(tmp_path, made) as counters:
        key = (("idempotency-key", "k-1"),)
        first = await counters.Create(m.CreateRequest(name="far"), metadata=key)
        assert await counters.Create(m.CreateRequest(name="far"), metadata=key) == first
        assert (await counters.Increment(m.IncrementRequest(counter_id=first.id, by=3))).value == 3
        with pytest.raises(aio.AioRpcError) as told:
            await counters.Decrement(m.DecrementRequest(counter_id=first.id, by=9))
        refused = Refused(told.value)
        assert (told.value.code(), refused.info.reason) == (StatusCode.FAILED_PRECONDITION, "counter:insufficient")
        with pytest.raises(aio.AioRpcError) as stale:
            await counters.Reset(m.ResetRequest(counter_id=first.id), metadata=(("if-match", '"1"'),))
        assert Refused(stale.value).info.reason == "request:stale"


async def test_a_stream_follows_a_log_that_another_process_has(tmp_path: Path, made: Stock) -> None:
    m = made.messages
    async with edge(tmp_path, made) as counters:
        made_one = await counters.Create(m.CreateRequest(name="followed"))
        stream = counters.Events(m.EventsRequest(counter_id=made_one.id))
        begins = await stream.read()
        await counters.Increment(m.IncrementRequest(counter_id=made_one.id))
        item = await stream.read()
        while item.WhichOneof("event") is None:
            item = await stream.read()
        assert item.counter_changed.value == 1
        stream.cancel()
        await counters.Increment(m.IncrementRequest(counter_id=made_one.id))
        again = counters.Events(m.EventsRequest(counter_id=made_one.id, after=item.cursor))
        item = await again.read()
        while item.WhichOneof("event") is None:
            item = await again.read()
        assert item.counter_changed.value == 2 and begins.cursor
        again.cancel()
