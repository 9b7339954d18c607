"""The closed list of types that may cross a contract (laws 11). What every edge, every store and every client language can
carry is short; a type that only one of them understands would be found on the day that another is added."""

import types
from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from enum import Enum
from keyword import iskeyword
from typing import Annotated, Any, Generic, Literal, NewType, TypeVar, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec
from msgspec import Meta, Struct, UnsetType

from armature.kernel.operation import Operation
from armature.kernel.types import Secret

__all__ = ["closed_types", "personal_fields", "wrong_types"]

_PLAIN = (bool, int, float, str, bytes, UUID, datetime, Decimal, type(None), UnsetType, Secret)
_LIST = "bool, int, float, str, bytes, UUID, datetime, Decimal, Literal, Enum, Optional, list, dict[str, T], struct, tagged union"


def closed_types(operation: Operation) -> list[str]:
    """Return what is wrong with an operation's name and the types of its arguments and result: `where: what; cure`."""
    found = list(_unnamed(operation.name))
    found += [wrong for field in msgspec.structs.fields(operation.arguments) for wrong in wrong_types(field.type, field.name)]
    found += wrong_types(operation.result, "result")
    return found or [*_unread(operation.arguments, "arguments"), *_unread(operation.result, "result")]


def wrong_types(kind: Any, where: str) -> list[str]:
    """Return what is wrong with one type, as `closed_types` does; `where` is how messages call it."""
    return list(_wrong(kind, where, frozenset()))


def personal_fields(kind: Any) -> list[str]:
    """Return the paths of fields marked `Personal[T]`, which may stand neither in events nor in stored answers."""
    return list(_personal(kind, "", frozenset()))


def _unnamed(name: str) -> Iterator[str]:
    if name.startswith("_"):
        yield f"name: '{name}' begins with an underscore, as what clients keep for themselves does; begin it with a letter"


def _wrong(kind: Any, where: str, seen: frozenset[Any]) -> Iterator[str]:
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        yield from _wrong(parts[0], where, seen)
    elif isinstance(kind, NewType):  # an id of a kind
        yield from _wrong(kind.__supertype__, where, seen)
    elif kind in _PLAIN:
        return
    elif origin is Literal:
        yield from _values(parts, where)
    elif isinstance(kind, type) and issubclass(kind, Enum):
        yield from _values([one.value for one in kind], where)
        yield from _members(kind, where)
    elif origin is list:
        yield from _wrong(parts[0], f"{where}[]", seen)
    elif origin is dict:
        if parts[0] is not str:
            yield f"{where}: a dict is keyed by str, not by {_name(parts[0])}; use dict[str, T] or a list of structs"
        yield from _wrong(parts[1], f"{where}{{}}", seen)
    elif origin in (Union, types.UnionType):
        yield from _union(parts, where, seen)
    elif isinstance(origin or kind, type) and issubclass(origin or kind, Struct):
        yield from _struct(kind, where, seen)
    else:
        yield f"{where}: {_name(kind)} is no type of a contract; use one of: {_LIST}"


def _values(values: Iterable[Any], where: str) -> Iterator[str]:
    kinds = {type(one) for one in values}
    if kinds not in ({str}, {int}):
        yield f"{where}: its values are neither all texts nor all whole numbers; use one kind, and `| None` for null"


def _members(kind: type[Enum], where: str) -> Iterator[str]:
    """Their names are those of the clients' members; what travels is the value."""
    for one in kind:
        if not one.name.isidentifier() or iskeyword(one.name) or one.name.startswith("__"):
            text = f"{_name(kind)} has the member {one.name!r}, and that is no name in Python"
            yield f"{where}: {text}; rename it: letters, digits and _, no word of the language, no __ in front"


def _unread(kind: Any, where: str) -> Iterator[str]:
    """What no decoder is made of: bounds that do not fit their type."""
    try:
        msgspec.json.Decoder(kind)
    except TypeError as error:
        yield f"{where}: {error}; change what is said of the type"


def _union(parts: tuple[Any, ...], where: str, seen: frozenset[Any]) -> Iterator[str]:
    kinds = [part for part in parts if part not in (type(None), UnsetType)]
    bare = [get_args(kind)[0] if get_origin(kind) is Annotated else kind for kind in kinds]
    tagged = all(isinstance(kind, type) and issubclass(kind, Struct) and kind.__struct_config__.tag for kind in bare)
    if len(kinds) > 1 and not tagged:
        names = " | ".join(map(_name, kinds))
        yield f"{where}: {names} cannot be told apart by every edge; use one type, or structs with a tag"
    for kind in kinds:
        yield from _wrong(kind, where, seen)


def _struct(kind: Any, where: str, seen: frozenset[Any]) -> Iterator[str]:
    if kind in seen:
        return
    fields = list(_fields(kind))
    left = next((name for name, field in fields if _is_open(field)), None)
    if left is not None:
        yield f"{where}.{left}: {_unfilled(kind)}"
        return
    for name, field in fields:
        yield from _wrong(field, f"{where}.{name}", seen | {kind})


def _is_open(field: Any) -> bool:
    """Whether a parameter of a generic struct is left in a field's type; a generic struct as such is looked at for itself."""
    return isinstance(field, TypeVar) or (not isinstance(field, type) and bool(getattr(field, "__parameters__", ())))


def _unfilled(kind: Any) -> str:
    """What is wrong where a parameter is left: only the use of a generic struct fills it, never what inherits from it."""
    origin: Any = get_origin(kind) or kind
    if getattr(kind, "__parameters__", ()):
        return f"{_name(origin)} is generic, and nothing fills its type; say of what, as in {_name(origin)}[int]"
    bases = (base for one in origin.__mro__ for base in vars(one).get("__orig_bases__", ()))
    filled = next((base for base in bases if get_args(base) and get_origin(base) is not Generic), None)
    if filled is None:
        return f"{_name(origin)} is not Generic, and its field's type is a parameter; write the type itself"
    base = f"{get_origin(filled).__name__}[{', '.join(map(_name, get_args(filled)))}]"
    return f"{_name(origin)} inherits {base}, and no edge sees what fills it; write a plain struct, or {base} as a field's type"


def _fields(kind: Any) -> Iterator[tuple[str, Any]]:
    """The fields of a struct with their types; a generic one has its parameters filled in."""
    origin = get_origin(kind) or kind
    filled = dict(zip(getattr(origin, "__parameters__", ()), get_args(kind), strict=False))
    hints = get_type_hints(origin, include_extras=True)
    for name in origin.__struct_fields__:
        yield name, _filled(hints[name], filled)


def _filled(kind: Any, filled: dict[Any, Any]) -> Any:
    if isinstance(kind, TypeVar):
        return filled.get(kind, kind)
    parameters = () if isinstance(kind, type) else getattr(kind, "__parameters__", ())
    return kind[tuple(filled.get(one, one) for one in parameters)] if parameters else kind


def _personal(kind: Any, where: str, seen: frozenset[Any]) -> Iterator[str]:
    metadata = getattr(kind, "__metadata__", ())
    if any(isinstance(meta, Meta) and (meta.extra or {}).get("personal") for meta in metadata):
        yield where
    elif isinstance(get_origin(kind) or kind, type) and issubclass(get_origin(kind) or kind, Struct):
        for name, field in _fields(kind) if kind not in seen else ():
            yield from _personal(field, f"{where}.{name}" if where else name, seen | {kind})
    else:
        for part in get_args(kind):
            yield from _personal(part, where, seen)


def _name(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type | TypeVar) and not get_args(kind) else str(kind)
