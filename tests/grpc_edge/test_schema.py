"""A contract becomes a `.proto` that protoc takes, and its numbers are for ever."""

from enum import Enum
from pathlib import Path
from typing import Annotated, Protocol

import pytest
from msgspec import Meta, Struct

from armature import Context, Contract, command, query
from armature.edges.grpc.numbering import Pinned
from armature.edges.grpc.proto import NotForMessages
from armature.edges.grpc.schema import packages, proto_file
from armature.edges.grpc.schema_text import pins, render
from modules.counter.contract import Counters
from tests.grpc_edge.every_type import Things
from tests.grpc_edge.stock import stock


@pytest.mark.parametrize("contract", [Counters, Things])
def test_protoc_takes_what_is_written(contract: type, tmp_path: Path) -> None:
    file = proto_file([contract])
    made = stock(file, tmp_path)
    compiled = made.messages.DESCRIPTOR
    assert compiled.package == file.package
    for message in file.messages:
        theirs = compiled.message_types_by_name[message.name]
        assert {one.name: one.number for one in theirs.fields} == {one.name: one.number for one in message.fields}
    assert [one.name for one in compiled.services_by_name[contract.__name__].methods] == [
        one.name for one in file.services[0].methods
    ]


@pytest.mark.parametrize("contract", [Counters, Things])
def test_what_was_written_is_read_again(contract: type) -> None:
    file = proto_file([contract])
    read = pins(render(file))
    assert {name: dict(one.fields) for name, one in read.items()} == {
        one.name: {field.name: field.number for field in one.fields} for one in file.messages
    }
    assert render(proto_file([contract], read)) == render(file)


def test_a_package_is_a_name_and_a_version() -> None:
    assert list(packages([Counters, Things])) == ["counter.v1", "things.v2"]
    with pytest.raises(TypeError, match="one package"):
        proto_file([Counters, Things])


def test_a_new_field_gets_the_next_number_wherever_it_stands() -> None:
    before = {"Old": Pinned({"b": 1, "c": 3}, frozenset({2}), frozenset({"a"}))}
    assert _numbers(_contract(("x", "b", "c")), before) == {"x": 4, "b": 1, "c": 3}


def test_the_number_of_a_removed_field_is_never_given_again() -> None:
    text = render(proto_file([_contract(("a", "b", "c"))]))
    removed = render(proto_file([_contract(("a", "c"))], pins(text)))
    assert "reserved 2;" in removed and 'reserved "b";' in removed
    again = proto_file([_contract(("a", "b", "c"))], pins(removed))
    assert {one.name: one.number for one in again.message("Old").fields} == {"a": 1, "b": 4, "c": 3}
    assert again.message("Old").reserved == (2,) and again.message("Old").reserved_names == ()


def test_numbers_that_protobuf_keeps_are_passed_over() -> None:
    assert _numbers(_contract(("a", "b")), {"Old": Pinned({"a": 18_999})}) == {"a": 18_999, "b": 20_000}


def test_two_types_of_one_name_are_refused() -> None:
    class Other(Contract, Protocol, name="clash", version=1):
        @query("GET /x", public=True)
        async def get(self, ctx: Context) -> "GetRequest":
            """Return something with a taken name."""
            ...

    with pytest.raises(TypeError, match="GetRequest"):
        proto_file([Other])


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (("größe",), "'größe' is no name in a .proto"),
        (("foo_bar", "fooBar"), "foo_bar, fooBar are the same name in the JSON"),
        (("foo", "_foo"), "'_foo' would stand in its .proto twice"),
    ],
)
def test_names_that_no_proto_can_hold_are_refused(fields: tuple[str, ...], words: str) -> None:
    with pytest.raises(NotForMessages, match=words):
        proto_file([_contract(fields, asked=True)])


@pytest.mark.parametrize(
    ("name", "words"),
    [("Olds", "a struct and the contract's class"), ("google", "a word of protocol buffers"), ("Größe", "no name")],
)
def test_structs_whose_names_mean_something_else_are_refused(name: str, words: str) -> None:
    with pytest.raises(NotForMessages, match=words):
        proto_file([_contract(("a",), name)])


def test_a_struct_that_has_the_name_of_a_maps_entries_is_refused() -> None:
    entry = type("FooEntry", (Struct,), {"__annotations__": {"a": int}, "__module__": __name__})
    both = type("Old", (Struct,), {"__annotations__": {"foo": dict[str, int], "one": entry}, "__module__": __name__})
    with pytest.raises(NotForMessages, match="'FooEntry' would be two messages"):
        proto_file([_giving(both)])


def test_bounds_stand_in_the_comments() -> None:
    text = render(proto_file([Counters]))
    assert "// Required; at least 1 long; at most 80 long." in text
    assert "// One of asc, desc; default asc." in text


class Bell(Enum):
    """Rings \x07."""

    RINGS = "\x07\x00"


class Rung(Struct):
    """Rings \x00."""

    by: Bell


def test_a_control_character_stands_in_no_comment_and_its_number_does(tmp_path: Path) -> None:
    file = proto_file([_giving(Rung)])
    assert stock(file, tmp_path).messages.DESCRIPTOR.package == "olds.v1"
    text = render(file)
    assert "// Rings \\x00.\n" in text and "// One of \\x07\\x00.\n" in text


class GetRequest(Struct):
    """A name that a request has too."""

    a: Annotated[int, Meta(ge=1)]


def _contract(fields: tuple[str, ...], name: str = "Old", *, asked: bool = False) -> type:
    old = type(name, (Struct,), {"__annotations__": dict.fromkeys(fields, int), "__module__": __name__})
    return _giving(old, *([old] if asked else []))


def _giving(result: type, *asked: type) -> type:
    async def get(self: object, ctx: Context, *, one: object) -> None:
        """Return it."""

    async def bare(self: object, ctx: Context) -> None:
        """Return it."""

    method = get if asked else bare
    method.__annotations__.update({"return": result, **dict(zip(["one"], asked, strict=False))})
    made: type = type(
        "Olds", (), {"get": command("POST /old", public=True)(method), "__contract_name__": "olds", "__contract_version__": 1}
    )
    return made


def _numbers(contract: type, before: dict[str, Pinned]) -> dict[str, int]:
    return {one.name: one.number for one in proto_file([contract], before).message("Old").fields}
