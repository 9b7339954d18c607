"""What a struct says is what its message says, for every type and in both directions; the far side is protoc's own class."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings

from armature import Context, Contract, query
from armature.edges.grpc.codec import Codec
from armature.edges.grpc.messages import Messages
from armature.edges.grpc.proto import ProtoFile
from armature.edges.grpc.schema import proto_file
from armature.kernel.operation import operations
from armature.kernel.refusals import Invalid
from tests.grpc_edge.every_type import Circle, Colour, Grade, Square, Thing, Things
from tests.grpc_edge.stock import stock
from tests.grpc_edge.values import things

FILE: ProtoFile = proto_file([Things])
MESSAGES = Messages()
MESSAGES.add(FILE)
CODEC = Codec(FILE, MESSAGES)
ID = UUID("01981a2b-3c4d-7e5f-8a9b-0c1d2e3f4a5b")


class Drawers(Contract, Protocol, name="drawers", version=1):
    """Operations that are asked for by what stands in their path."""

    @query("GET /shelves/{shelf}/drawers/{drawer}", public=True)
    async def open(self, ctx: Context, *, shelf: str, drawer: str) -> None:
        """Open a drawer."""
        ...

    @query("GET /drawers/{number}", public=True)
    async def count(self, ctx: Context, *, number: int) -> None:
        """Count a drawer."""
        ...


@settings(max_examples=200, deadline=None, derandomize=True)
@given(things())
def test_a_struct_goes_out_and_comes_back_as_it_was(thing: Thing) -> None:
    assert _through(thing) == thing


def test_a_defect_in_the_codec_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    thing = _thing(_plain())
    broken = Codec(FILE, MESSAGES)
    scope: dict[str, Any] = broken._scope
    monkeypatch.setitem(scope, "time", lambda value: {"seconds": int(value.timestamp())})
    assert _through(thing, broken) != thing


def test_a_stock_client_reads_what_we_write(tmp_path: Path) -> None:
    theirs = stock(FILE, tmp_path).messages.Thing
    thing = _thing(_plain())
    read = theirs.FromString(_encoder()(thing).SerializeToString())
    assert (read.count, read.id, read.colour, read.price) == (7, str(ID), "red", "9.90")
    assert read.at.ToDatetime(UTC) == thing.at
    assert read.shape.WhichOneof("kind") == "square" and read.shape.square.side == 3
    assert read.WhichOneof("change_or_null") == "change_null"
    assert [one.value for one in read.grid] == [[1, 2], []]
    assert read.shapes_by_name["none"].WhichOneof is not None and not read.shapes_by_name["none"].HasField("value")


@pytest.mark.parametrize(
    ("spoil", "path"),
    [
        (lambda m: m.ClearField("count"), "count"),
        (lambda m: m.part.ClearField("name"), "name"),
        (lambda m: m.shape.Clear(), "type"),
        (lambda m: setattr(m, "verb", "steal"), "verb"),
        (lambda m: setattr(m, "id", "no uuid"), "id"),
        (lambda m: setattr(m, "ratio", float("nan")), "ratio"),
        (lambda m: setattr(m.at, "nanos", -1), "at"),
        (lambda m: setattr(m.at, "seconds", 2**62), "at"),
        (lambda m: setattr(m.maybe_at, "seconds", -(2**62)), "maybe_at"),
    ],
)
def test_what_is_missing_or_no_value_is_refused_as_json_is(spoil: Callable[[Any], None], path: str) -> None:
    message = _encoder()(_thing(_plain()))
    spoil(message)
    with pytest.raises(msgspec.ValidationError, match=path):
        _read(message)


def test_a_field_that_no_contract_knows_is_refused() -> None:
    message = _encoder()(_thing(_plain()))
    message.part.parts[0].MergeFromString(b"\xf8\x07\x01")  # field 127, a number
    with pytest.raises(Invalid) as refused:
        CODEC.decoder("Thing")(message)
    assert [(one.path, one.message) for one in refused.value.errors] == [("field 127", "unknown field")]


def test_absent_null_and_value_are_told_apart() -> None:
    decode = CODEC.decoder("Thing")
    thing = _plain()
    del thing["change"]
    message = _encoder()(_thing(thing))
    assert "change" not in decode(message)
    message.change_null = 0
    assert decode(message)["change"] is None
    message.change = "so"
    assert decode(message)["change"] == "so"


@pytest.mark.parametrize(
    ("operation", "value"),
    [("names", ["a", "b"]), ("best", None), ("shape", Circle(1.5)), ("count", 0)],
)
def test_a_result_that_is_no_struct_stands_in_a_message_of_its_own(operation: str, value: object, tmp_path: Path) -> None:
    method = next(one for one in FILE.services[0].methods if one.operation == f"things.{operation}")
    assert method.carrier is not None
    message = CODEC.encoder(method.carrier)(value)
    assert message.DESCRIPTOR.full_name == f"things.v2.{method.response}"
    decoded = CODEC.decoder(method.response)(message)
    result = next(one.result for one in operations(Things) if one.name == operation)
    assert msgspec.convert(decoded, result) == value


def _encoder() -> Callable[[Any], Any]:
    carrier = next(one.carrier for one in FILE.services[0].methods if one.operation == "things.put")
    assert carrier is not None
    return CODEC.encoder(carrier)


def _through(thing: Thing, codec: Codec = CODEC) -> Thing:
    carrier = next(one.carrier for one in FILE.services[0].methods if one.operation == "things.put")
    assert carrier is not None
    message = codec.encoder(carrier)(thing)
    return _read(MESSAGES.of("things.v2.Thing").FromString(message.SerializeToString()))


def _read(message: Any) -> Thing:
    return msgspec.json.decode(msgspec.json.encode(CODEC.decoder("Thing")(message)), type=Thing)


def _thing(plain: dict[str, Any]) -> Thing:
    return msgspec.json.decode(msgspec.json.encode(plain), type=Thing)


def _plain() -> dict[str, Any]:
    return {
        "flag": True,
        "count": 7,
        "ratio": 0.5,
        "text": "é",
        "blob": b"\0\1",
        "id": ID,
        "at": datetime(2026, 1, 31, 12, 0, 0, 1_000, tzinfo=UTC),
        "price": Decimal("9.90"),
        "verb": "put",
        "level": 2,
        "colour": Colour.RED,
        "grade": Grade.HIGH,
        "part": {"name": "a", "parts": [{"name": "b"}]},
        "shape": Square(3),
        "maybe": None,
        "maybe_part": None,
        "maybe_shape": None,
        "maybe_at": None,
        "names": ["x"],
        "ids": [ID],
        "moments": [],
        "parts": [{"name": "p"}],
        "shapes": [Circle(1.0), Square(2, "two")],
        "grid": [[1, 2], []],
        "gaps": [1, None],
        "counts": {"a": 1},
        "by_name": {"a": {"name": "b"}},
        "lists": {"a": [ID]},
        "shapes_by_name": {"none": None, "one": Circle(2.0)},
        "otherName": 4,
        "change": None,
    }


def test_texts_are_taken_in_the_order_asked_for_and_only_where_all_are_there() -> None:
    asked = proto_file([Drawers])
    messages = Messages()
    messages.add(asked)
    codec, request = Codec(asked, messages), messages.of("drawers.v1.OpenRequest")
    take = codec.texts("OpenRequest", ["drawer", "shelf"])
    assert take is not None
    assert tuple(take(request(shelf="s", drawer="d")) or ()) == ("d", "s")
    assert take(request(shelf="s")) is None
    with pytest.raises(Invalid):
        take(request.FromString(b"\xf8\x07\x01"))
    assert codec.texts("OpenRequest", ["shelf"]) is None
    assert codec.texts("CountRequest", ["number"]) is None
