"""Each key of `grpc`, flipped; seen by a plain client of grpcio."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import grpc
from grpc import aio
from msgspec import structs

from armature.edges.http.server import CannotListen
from armature.runtime.process import Listening, serve
from armature.runtime.topology import ProcessSpec, Topology
from tests.edges.wire import until
from tests.grpc_edge.certificate import certify
from tests.model import probe
from tests.model.effects import Stage, effect_of

FREE = {"grpc.port": "0"}
# Written by whoever tries them, so each process that runs tests has its own.
_FOLDER = Path(gettempdir()) / f"armature-effects-{os.getpid()}"
CERTIFICATE, KEY = _FOLDER / "certificate.pem", _FOLDER / "key.pem"
LOCAL = ("grpc.use_local_subchannel_pool", 1)


@asynccontextmanager
async def listening(stage: Stage) -> AsyncIterator[str]:
    """Serve on both edges until the block ends; where gRPC is."""
    process = ProcessSpec(roles=["http", "grpc", "projector", "sweeper"])
    model = structs.replace(stage.model(port="0"), topology=Topology(name="single", processes={"app": process}))
    ready: asyncio.Future[Listening] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(model, stage.environ, ready.set_result))
    await asyncio.wait((task, ready), return_when=asyncio.FIRST_COMPLETED)
    if not ready.done():
        task.result()
    try:
        yield ready.result().grpc or ""
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def channel(stage: Stage, *options: tuple[str, Any]) -> AsyncIterator[aio.Channel]:
    async with listening(stage) as where, aio.insecure_channel(where, options=[LOCAL, *options]) as made:
        yield made


async def code(call: Any) -> str:
    try:
        await call
    except aio.AioRpcError as error:
        return error.code().name
    return "OK"


def ask(made: aio.Channel, method: str, request: bytes = b"", **metadata: str) -> Any:
    return made.unary_unary(f"/lever.v1.Levers/{method}")(request, metadata=tuple(metadata.items()))


def gate(name: str) -> bytes:
    """A request whose first field is a text."""
    return b"\x0a" + bytes([len(name)]) + name.encode()


@effect_of("grpc.host", to="127.0.0.2", default="127.0.0.1", flipped="127.0.0.2", given=FREE)
async def test_the_address_is_listened_on(stage: Stage) -> object:
    async with listening(stage) as where, aio.insecure_channel(where) as made:
        assert await code(ask(made, "Open")) == "OK"
        return where.partition(":")[0]


@effect_of("grpc.port", to="0", default=True, flipped=False)
async def test_the_port_is_listened_on(stage: Stage) -> object:
    try:
        async with listening(stage) as where:
            return where.endswith(":9090")
    except CannotListen as taken:  # by somebody else: then it is the one that was asked for
        return ":9090" in str(taken)


@effect_of("grpc.message_bytes_max", to="50", default="OK", flipped="RESOURCE_EXHAUSTED", given=FREE)
async def test_a_larger_message_is_refused(stage: Stage) -> object:
    async with channel(stage) as made:
        return await code(ask(made, "Add", gate("x" * 60)))


@effect_of("grpc.metadata_bytes_max", to="2000", default="OK", flipped="RESOURCE_EXHAUSTED", given=FREE)
async def test_larger_metadata_is_refused(stage: Stage) -> object:
    async with channel(stage) as made:
        return await code(ask(made, "Open", something="x" * 4_000))


@effect_of("grpc.calls_max", to="1", default="OK", flipped="RESOURCE_EXHAUSTED", given=FREE)
async def test_more_calls_than_that_are_refused(stage: Stage) -> object:
    async with channel(stage) as made:
        held = asyncio.ensure_future(code(ask(made, "Hold", gate("held"))))
        await until(lambda: probe.arrived["held"] == 1)
        seen = await code(ask(made, "Open"))
        probe.open_gate("held")
        assert await held == "OK"
        return seen


@effect_of("grpc.calls_per_connection_max", to="1", default=2, flipped=1, given=FREE)
async def test_more_calls_of_one_connection_wait_in_the_client(stage: Stage) -> object:
    async with listening(stage) as where, aio.insecure_channel(where, options=[LOCAL]) as made:
        # The first call brings the connection up, so that the client knows how many it may open.
        assert await code(ask(made, "Open")) == "OK"
        held = [asyncio.ensure_future(code(ask(made, "Hold", gate("held")))) for _ in range(2)]
        await until(lambda: probe.arrived["held"] >= 1)
        async with aio.insecure_channel(where, options=[LOCAL]) as other:
            # When calls that came later, by another way, have their answers, the second one would have been here.
            assert [await code(ask(other, "Open")) for _ in range(20)] == ["OK"] * 20
        seen = probe.arrived["held"]
        probe.open_gate("held")
        assert await asyncio.gather(*held) == ["OK", "OK"]
        return seen


@effect_of("grpc.ping_seconds_min", to="0.001", default=True, flipped=False, given=FREE)
async def test_who_pings_more_often_loses_the_connection(stage: Stage) -> object:
    pings = (
        ("grpc.keepalive_time_ms", 1_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
    )
    async with channel(stage, *pings) as made:
        assert await code(ask(made, "Open")) == "OK"
        return await _ends(made, 6.0)


@effect_of("grpc.connection_age_seconds", to="0.2", default=False, flipped=True, given=FREE)
async def test_an_old_connection_is_asked_to_end(stage: Stage) -> object:
    async with channel(stage) as made:
        assert await code(ask(made, "Open")) == "OK"
        return await _ends(made, 4.0)


async def _ends(made: aio.Channel, seconds: float) -> bool:
    """Whether the connection ends by itself; the default of each key is far beyond what is waited for."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while (state := made.get_state()) is not grpc.ChannelConnectivity.IDLE:
                await made.wait_for_state_change(state)
            return True
    return False


@effect_of("grpc.stream_age_seconds", to="0.05", default=False, flipped=True, given=FREE)
async def test_an_old_stream_ends(stage: Stage) -> object:
    async with channel(stage) as made:
        stream = made.unary_stream("/lever.v1.Levers/Events")(gate("01981a2b-3c4d-7e5f-8a9b-0c1d2e3f4a5b"))
        await stream.read()
        with suppress(TimeoutError):
            async with asyncio.timeout(4.0):
                return await stream.read() is aio.EOF
        return False


@effect_of("grpc.reflection", to="false", default="OK", flipped="UNIMPLEMENTED", given=FREE)
async def test_tools_are_shown_the_services(stage: Stage) -> object:
    async with channel(stage) as made:
        # One request and no iterator of them: grpc's client may say INTERNAL when the refusal comes while it is still sending.
        asked = made.unary_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")(b"\x3a\x00")
        return await code(asked.read())


@effect_of("grpc.tls_certificate", to=str(CERTIFICATE), default=False, flipped=True, given={**FREE, "grpc.tls_key": str(KEY)})
async def test_a_certificate_makes_the_port_take_tls(stage: Stage) -> object:
    return await _secured(stage)


@effect_of("grpc.tls_key", to=str(KEY), default=False, flipped=True, given={**FREE, "grpc.tls_certificate": str(CERTIFICATE)})
async def test_a_key_belongs_to_the_certificate(stage: Stage) -> object:
    return await _secured(stage)


async def _secured(stage: Stage) -> bool:
    """Whether the port takes TLS; half a pair of files is refused at the start."""
    _FOLDER.mkdir(exist_ok=True)
    try:
        credentials = grpc.ssl_channel_credentials(certify(CERTIFICATE, KEY))
        async with listening(stage) as where, aio.secure_channel(where, credentials, options=[LOCAL]) as made:
            return await code(ask(made, "Open")) == "OK"
    except CannotListen:
        return False
    finally:
        shutil.rmtree(_FOLDER)
