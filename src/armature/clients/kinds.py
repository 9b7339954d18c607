"""From the types of a contract to shapes, collecting the structs and enumerations that they name.

Generic structs become one record for each use (`Pair[int]` is `PairInt`), except pages: every client has those.
"""

import inspect
from collections.abc import Iterator
from enum import Enum
from typing import Any, get_args, get_origin

import msgspec
import msgspec.inspect as types
from msgspec import UNSET, Struct

from armature.clients.shapes import Choice, Listed, Mapped, Named, Paged, Plain, Shape, Union
from armature.clients.surface import Enumeration, Field, Record
from armature.kernel.page import Page
from armature.kernel.types import Secret

__all__ = ["Kinds", "NotForClients", "first_line"]

_PLAIN: dict[type, Plain] = {
    types.BoolType: Plain("bool"),
    types.IntType: Plain("int"),
    types.FloatType: Plain("float"),
    types.StrType: Plain("str"),
    types.BytesType: Plain("bytes"),
    types.UUIDType: Plain("uuid"),
    types.DateTimeType: Plain("datetime"),
    types.DecimalType: Plain("decimal"),
    types.NoneType: Plain("null"),
}


class NotForClients(Exception):
    """A contract has something that a client cannot say; the message names it."""


class Kinds:
    """The types of one contract. `taken` are names that its records may not have."""

    def __init__(self, taken: frozenset[str]) -> None:
        self.enumerations: list[Enumeration] = []
        self._records: dict[str, Record] = {}
        self._names: dict[Any, str] = {}
        self._taken = set(taken)
        self._told: set[str] = set()

    def shape(self, kind: Any, *, told: bool) -> Shape:
        """Return the shape of a type; `told` when a server says it, not only a caller."""
        return self._shape(types.type_info(kind), told)

    def field(self, name: str, kind: Any, default: Any = msgspec.NODEFAULT, *, told: bool) -> Field:
        """Return a field or an argument."""
        absent = default is not msgspec.NODEFAULT
        return Field(name, name, self.shape(kind, told=told), absent, _json(default))

    def holds(self, shape: Shape, sought: Plain, seen: frozenset[str] = frozenset()) -> bool:
        """Whether a type, or what stands in it, is the sought one."""
        if isinstance(shape, Union):
            return any(self.holds(one, sought, seen) for one in shape.parts)
        if isinstance(shape, Listed | Mapped | Paged):
            return self.holds(shape.item, sought, seen)
        if isinstance(shape, Named) and shape.name in self._records and shape.name not in seen:
            within = seen | {shape.name}
            return any(self.holds(one.type, sought, within) for one in self._records[shape.name].fields)
        return shape == sought

    def records(self) -> tuple[Record, ...]:
        """Return the structs that were met, each after what it was met in."""
        return tuple(msgspec.structs.replace(record, asked=name not in self._told) for name, record in self._records.items())

    def _shape(self, info: types.Type, told: bool) -> Shape:
        if isinstance(info, types.Metadata):
            return self._shape(info.type, told)
        if type(info) in _PLAIN:
            return _PLAIN[type(info)]
        if isinstance(info, types.LiteralType):
            return Choice(tuple(one for one in info.values if isinstance(one, str | int)))
        if isinstance(info, types.ListType):
            return Listed(self._shape(info.item_type, told))
        if isinstance(info, types.DictType):
            return Mapped(self._shape(info.value_type, told))
        if isinstance(info, types.UnionType):
            return Union(tuple(self._shape(one, told) for one in info.types))
        if isinstance(info, types.EnumType):
            return Named(self._enumeration(info.cls))
        if isinstance(info, types.StructType):
            return self._struct(info, told)
        if isinstance(info, types.CustomType) and info.cls is Secret:
            return Plain("str")
        raise NotForClients(f"{info!r} is no type of a contract; `armature check types` says which are")

    def _struct(self, info: types.StructType, told: bool) -> Shape:
        origin: Any = get_origin(info.cls) or info.cls
        if origin is Page:
            items = next(one.type for one in info.fields if one.name == "items")
            assert isinstance(items, types.ListType)
            return Paged(self._shape(items.item_type, told))
        if info.array_like:
            raise NotForClients(f"{origin.__name__} is sent as an array without names; remove array_like")
        known = info.cls in self._names
        name = self._name(info.cls, origin)
        if not known or (told and name not in self._told):
            if told:
                self._told.add(name)
            self._records.setdefault(name, Record(name, "", ()))  # keeps its place, and ends types that contain themselves
            fields = tuple(self._fields(info, origin, told))
            self._records[name] = Record(name, _about(origin), fields, info.tag_field, info.tag)
        return Named(name)

    def _fields(self, info: types.StructType, origin: type[Struct], told: bool) -> Iterator[Field]:
        by_name = {one.name: one for one in msgspec.structs.fields(origin)}
        for one in info.fields:
            default = by_name[one.name].default
            if default is msgspec.NODEFAULT and by_name[one.name].default_factory is not msgspec.NODEFAULT:
                default = by_name[one.name].default_factory()
            absent = not one.required
            yield Field(one.name, one.encode_name, self._shape(one.type, told), absent, _json(default))

    def _enumeration(self, kind: type[Enum]) -> str:
        if kind not in self._names:
            members = tuple((one.name, one.value) for one in kind)
            self.enumerations.append(Enumeration(self._name(kind, kind), _about(kind), members))
        return self._names[kind]

    def _name(self, kind: Any, origin: type) -> str:
        """One name for one type; a second type of the same name gets a number."""
        if kind not in self._names:
            wanted = origin.__name__ + "".join(_word(one) for one in get_args(kind))
            name, number = wanted, 2
            while name in self._taken:
                name, number = f"{wanted}{number}", number + 1
            self._taken.add(name)
            self._names[kind] = name
        return self._names[kind]


def first_line(text: str) -> str:
    """Return what a docstring says first."""
    return inspect.cleandoc(text).splitlines()[0] if text.strip() else ""


def _about(kind: type) -> str:
    # A class without a docstring of its own would show that of the library it comes from.
    return inspect.cleandoc(vars(kind).get("__doc__") or "")


def _word(kind: Any) -> str:
    origin = get_origin(kind)
    name: str = getattr(origin or kind, "__name__", "") or str(kind)
    inner = "".join(map(_word, get_args(kind)))
    return "".join(part.title() if part.islower() else part for part in name.split("_")) + inner


def _json(default: Any) -> str | None:
    if default is msgspec.NODEFAULT or default is UNSET:
        return None
    try:
        return msgspec.json.encode(default, order="deterministic").decode()
    except (TypeError, ValueError):
        return None
