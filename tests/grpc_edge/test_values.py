"""Values at the edges of their types through a stock client: what comes back is what a caller within the process gets."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import grpc
import msgspec
import pytest
from grpc import aio
from msgspec import Struct

from armature.edges.grpc.codec import Codec
from armature.edges.grpc.messages import Messages
from armature.edges.grpc.proto import Carrier
from armature.edges.grpc.schema import proto_file
from armature.engine.call import Identity
from armature.runtime.process import System
from armature.runtime.project import load_project
from tests.clients.values.asking import plain, same, some
from tests.grpc_edge import values
from tests.grpc_edge.every_type import Colour, Grade, Thing
from tests.grpc_edge.refusal import Refused
from tests.grpc_edge.rig import address, serving
from tests.grpc_edge.stock import Stock, stock

EVERYTHING = Path(__file__).parents[1] / "clients" / "values" / "everything"
ID = UUID("01981a2b-3c4d-7e5f-8a9b-0c1d2e3f4a5b")


class Mirroring(Struct):
    """The module on its edge and within the process."""

    system: System
    stub: Any
    messages: Any
    codec: Codec

    async def inside(self, name: str, **arguments: Any) -> Any:
        """Call as a neighbour does."""
        pipeline = self.system.core.pipeline(f"mirror.{name}")
        call = pipeline.new_call("inside", Identity("developer", frozenset({"*"})), "inside")
        return (await pipeline.run(call, pipeline.arguments.from_values(arguments), "inside", ())).result


@asynccontextmanager
async def mirroring(folder: Path) -> AsyncIterator[Mirroring]:
    contract = next(one for module in load_project(EVERYTHING).modules for one in module.contracts)
    file = proto_file([contract])
    made: Stock = stock(file, folder)
    messages = Messages()
    messages.add(file)
    async with serving(EVERYTHING, folder / "data", {}) as system, aio.insecure_channel(address(system)) as channel:
        yield Mirroring(system, made.stubs.MirrorStub(channel), made.messages, Codec(file, messages))


async def test_things_come_back_as_they_went(tmp_path: Path) -> None:
    async with mirroring(tmp_path) as mirror:
        encode = mirror.codec.encoder(Carrier(kind="message", type="Thing"))
        for thing in some(values.things(), 100):
            theirs = mirror.messages.Thing.FromString(encode(thing).SerializeToString())
            answer = await mirror.stub.Thing(mirror.messages.ThingRequest(thing=theirs))
            taken = msgspec.convert(values.trimmed(plain(thing)), Thing)
            assert answer.SerializeToString(deterministic=True) == mirror.messages.Thing.FromString(
                encode(await mirror.inside("thing", thing=taken)).SerializeToString()
            ).SerializeToString(deterministic=True), thing


async def test_texts_of_paths_are_any_texts(tmp_path: Path) -> None:
    async with mirroring(tmp_path) as mirror:
        for text in [*values.ODD_TEXTS, *some(values.words, 50)]:
            assert (await mirror.stub.Text(mirror.messages.TextRequest(one=text))).value == text
            both = await mirror.stub.Texts(mirror.messages.TextsRequest(one=text, two="x"))
            assert (both.one, both.two) == (text, "x")


NAMED: dict[str, Any] = {
    "number": -(2**63),
    "ratio": -0.0,
    "price": Decimal("9.90"),
    "at": datetime(2026, 1, 31, 12, 0, 0, 123_457, tzinfo=UTC),
    "colour": Colour.RED,
    "grade": Grade.HIGH,
    "blob": b"\0/\xff\xfe+",
    "flag": True,
}


@pytest.mark.parametrize("other", [{}, {"flag": False}, {"ratio": 5e-324}, {"blob": b""}, {"price": Decimal("1E-30")}])
async def test_values_of_paths_are_of_any_type(tmp_path: Path, other: dict[str, Any]) -> None:
    arguments = {**NAMED, **other}
    async with mirroring(tmp_path) as mirror:
        theirs = {**arguments, "price": str(arguments["price"]), "colour": "red", "grade": 2}
        answer = await mirror.stub.Named(mirror.messages.NamedRequest(**theirs))
        got = {name: getattr(answer, name) for name in NAMED} | {"at": answer.at.ToDatetime(UTC)}
        assert same(got, await mirror.inside("named", **arguments))


@pytest.mark.parametrize(
    ("nanos", "microseconds"), [(123_456_499, 123_456), (123_456_500, 123_457), (1, 0), (999_999_500, 1_000_000)]
)
async def test_a_moment_is_rounded_as_it_is_in_json(tmp_path: Path, nanos: int, microseconds: int) -> None:
    async with mirroring(tmp_path) as mirror:
        request = mirror.messages.NamedRequest(**{**NAMED, "price": "1", "colour": "red", "grade": 2})
        request.at.seconds, request.at.nanos = 0, nanos
        answer = await mirror.stub.Named(request)
        json = msgspec.json.decode(f'"1970-01-01T00:00:00.{nanos:09}Z"'.encode(), type=datetime)
        assert answer.at.ToMicroseconds() == microseconds and answer.at.ToDatetime(UTC) == json


async def test_values_of_refusals_and_what_none_can_hold(tmp_path: Path) -> None:
    async with mirroring(tmp_path) as mirror:
        said = {
            "text": "\u2028",
            "number": 2**63 - 1,
            "ratio": -0.0,
            "at": NAMED["at"],
            "id": str(ID),
            "texts": {"__proto__": "\0"},
        }
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await mirror.stub.Decline(mirror.messages.DeclineRequest(price="1E+5", **said))
        assert Refused(caught.value).info.reason == "mirror:declined"
        for price in ("NaN", "-Infinity", "sNaN"):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await mirror.stub.Decline(mirror.messages.DeclineRequest(price=price, **said))
            found = Refused(caught.value)
            assert found.bad is not None
            assert [(one.field, one.description) for one in found.bad.field_violations] == [("price", "expected a finite number")]
