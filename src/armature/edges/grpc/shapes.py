"""The closed list of types (laws 11) as protocol buffers see them: one look at a type, and what it comes to."""

import types
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, NewType, TypeVar, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec
from msgspec import Struct, UnsetType

from armature.edges.grpc.proto import TIME, NotForMessages
from armature.kernel.types import Secret

__all__ = ["Shape", "bare", "members", "shape_of", "struct_fields", "type_name"]

Text = Literal["", "str", "value"]

_SCALARS: dict[Any, tuple[str, Text]] = {
    bool: ("bool", ""),
    int: ("int64", ""),
    float: ("double", ""),
    str: ("string", ""),
    bytes: ("bytes", ""),
    UUID: ("string", "str"),
    Decimal: ("string", "str"),
}


class Shape(Struct, frozen=True, kw_only=True):
    """A type without its marks. `python` is the struct, the members of a union, or the type of a list's or map's items."""

    kind: Literal["scalar", "time", "struct", "union", "list", "map"]
    type: str = ""
    text: Text = ""
    python: Any = None
    null: bool = False
    unset: bool = False


def shape_of(kind: Any) -> Shape:
    """Return what a type comes to; one that no message can carry is a `NotForMessages` with its cure."""
    parts = list(_alternatives(kind))
    null, unset = type(None) in parts, UnsetType in parts
    kinds = [part for part in parts if part not in (type(None), UnsetType)]
    if len(kinds) != 1:
        if not kinds:
            raise NotForMessages(f"{kind} is never anything; an operation without a result returns None")
        return Shape(kind="union", python=tuple(kinds), null=null, unset=unset)
    return msgspec.structs.replace(_single(kinds[0]), null=null, unset=unset)


def bare(kind: Any) -> Any:
    """Return a type without `Annotated` and without the name that `NewType` gave it."""
    while True:
        if get_origin(kind) is Annotated:
            kind = get_args(kind)[0]
        elif isinstance(kind, NewType):
            kind = kind.__supertype__
        else:
            return kind


def members(union: Sequence[Any]) -> list[Any]:
    """Return the structs of a tagged union."""
    return [bare(one) for one in union]


def struct_fields(kind: Any) -> Iterator[tuple[msgspec.structs.FieldInfo, Any]]:
    """Return the fields of a struct, each with its type; a generic struct's parameters are filled in."""
    origin = get_origin(kind) or kind
    if origin.__struct_config__.array_like:
        raise NotForMessages(f"{origin.__name__} is array_like, and no message is; remove it from what crosses a contract")
    filled = dict(zip(getattr(origin, "__parameters__", ()), get_args(kind), strict=False))
    hints = get_type_hints(origin, include_extras=True)
    for field in msgspec.structs.fields(origin):
        yield field, _filled(hints.get(field.name, field.type), filled)


def type_name(kind: Any) -> str:
    """Return the name of a struct's message: `Counter`, and `CounterPage` for `Page[Counter]`."""
    return "".join(map(_part_name, get_args(kind))) + str((get_origin(kind) or kind).__name__)


def _part_name(kind: Any) -> str:
    kind = bare(kind)
    if isinstance(kind, type) or isinstance(get_origin(kind), type):
        name = type_name(kind)
        return name[:1].upper() + name[1:]
    return "".join(_part_name(one) for one in get_args(kind) if one is not type(None)) or "Value"


def _alternatives(kind: Any) -> Iterator[Any]:
    kind = bare(kind)
    if get_origin(kind) in (Union, types.UnionType):
        for part in get_args(kind):
            yield from _alternatives(part)
    elif kind is None:
        yield type(None)
    else:
        yield kind


def _single(kind: Any) -> Shape:
    origin = get_origin(kind) or kind
    if kind in _SCALARS:
        proto, text = _SCALARS[kind]
        return Shape(kind="scalar", type=proto, text=text)
    if kind is datetime:
        return Shape(kind="time", type=TIME)
    if origin is Literal:
        return _values(get_args(kind), "", kind)
    if origin is list:
        return Shape(kind="list", python=get_args(kind)[0])
    if origin is dict:
        return Shape(kind="map", python=get_args(kind)[1])
    if isinstance(origin, type) and issubclass(origin, Enum):
        return _values([one.value for one in origin], "value", kind)
    if isinstance(origin, type) and issubclass(origin, Struct):
        return Shape(kind="struct", python=kind)
    if kind is Secret:
        raise NotForMessages("a Secret has no form on the wire; take a str and make the Secret inside the module")
    raise NotForMessages(f"{kind} is no type of a contract; see the closed list (laws 11)")


def _values(values: Sequence[Any], text: Text, kind: Any) -> Shape:
    if all(isinstance(one, str) for one in values):
        return Shape(kind="scalar", type="string", text=text)
    if all(isinstance(one, int) and not isinstance(one, bool) for one in values):
        return Shape(kind="scalar", type="int64", text=text)
    raise NotForMessages(f"{kind}: its values are neither all texts nor all numbers; use one kind")


def _filled(kind: Any, filled: dict[Any, Any]) -> Any:
    if isinstance(kind, TypeVar):
        return filled.get(kind, kind)
    parameters = getattr(kind, "__parameters__", ())
    return kind[tuple(filled.get(one, one) for one in parameters)] if parameters else kind
