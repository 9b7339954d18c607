"""Between Python's values and the columns of PostgreSQL.

The driver speaks most types itself. Here is what it leaves open: what may be stored under which type (as on SQLite), nested
values as JSON, enums, lists, and times without a zone, which are refused because they mean another moment on another machine.
"""

import types
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Literal, NewType, Union, get_args, get_origin
from uuid import UUID, SafeUUID

import msgspec

from armature.engine.shapes import UnfitColumn

__all__ = ["Encoder", "Loader", "array_encoder", "array_text", "encoder", "literal", "load_uuid", "loader"]

Loader = Callable[[Any], Any]
Encoder = tuple[frozenset[type], Callable[[Any], Any]]
"""Types that go through as they are, and what turns any other value into one of them or refuses it."""

_JSON = msgspec.json.Encoder(uuid_format="canonical", order="deterministic").encode
_NONE = type(None)
_NESTED = (msgspec.Struct, list, tuple, dict, msgspec.Raw)


def encoder(held: str) -> Encoder:
    """Return how values go into a parameter of this type (`int8`, `text[]` …)."""
    if held.endswith("[]"):
        plain, turn = encoder(held[:-2])
        return frozenset(), lambda values: [value if type(value) in plain else turn(value) for value in _listed(values)]
    return _ENCODERS.get(held, (_PLAIN_TEXT, _as_text))


def array_encoder(held: str) -> Encoder:
    """Return how lists become text, for a parameter that is cast to `held`, an array type."""
    plain, turn = encoder(held.removesuffix("[]"))
    return frozenset(), lambda values: array_text([v if type(v) in plain else turn(v) for v in _listed(values)])


def array_text(values: Iterable[Any]) -> str:
    """Return values as PostgreSQL writes an array."""
    return "{" + ",".join(map(_element, values)) + "}"


def literal(text: str) -> str:
    """Return a text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def loader(hint: Any, held: str) -> tuple[Loader | None, bool]:
    """Return how a column of type `held` becomes a value of `hint` (None: as it is), and whether NULL is allowed."""
    bare, nullable = _bare(hint)
    kind = get_origin(bare) or bare
    if kind is Literal:
        kind = type(get_args(bare)[0])
    if isinstance(kind, type) and issubclass(kind, Enum):
        _fits(type(next(iter(kind)).value), held)
        return kind, nullable
    if kind in (Any, _NONE):
        return None, nullable
    if kind not in _HOLDS:
        if held not in _JSONS and not held.endswith("[]"):
            raise UnfitColumn(f"a {getattr(kind, '__name__', kind)} is kept in a column of type jsonb, this one is {held}")
        return (list if held.endswith("[]") else msgspec.json.Decoder(bare).decode), nullable
    _fits(kind, held)
    return _LOADERS.get((kind, held)), nullable


def load_uuid(stored: bytes) -> UUID:
    """Return a UUID from its 16 bytes, three times as fast as its constructor, which checks what the type has settled."""
    made: UUID = _new(UUID)
    _set(made, "int", _number(stored, "big"))
    _set(made, "is_safe", _unknown)
    return made


def _fits(kind: type, held: str) -> None:
    if held not in _HOLDS[kind]:
        cure = "; cast it to bigint" if kind is int and held == "numeric" else ""
        raise UnfitColumn(f"a {kind.__name__} is kept in a column of type {_HOLDS[kind][0]}, this one is {held}{cure}")


def _bare(hint: Any) -> tuple[Any, bool]:
    """Take off Annotated, NewType and `| None`."""
    nullable = False
    while True:
        if hasattr(hint, "__metadata__"):
            hint = hint.__origin__
        elif isinstance(hint, NewType):
            hint = hint.__supertype__
        elif get_origin(hint) in (Union, types.UnionType) and _NONE in get_args(hint):
            rest = tuple(arg for arg in get_args(hint) if arg is not _NONE)
            hint, nullable = Union[rest], True  # noqa: UP007 - built at run time
        else:
            return hint, nullable or hint is _NONE or hint is Any


def _listed(values: Any) -> Iterable[Any]:
    """NULLs are left out: they equal nothing."""
    if isinstance(values, (str, bytes)) or not isinstance(values, (Sequence, set, frozenset)):
        raise TypeError(f"`in (:names)` takes a list, not {type(values).__name__}")
    return [value for value in values if value is not None]


def _element(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, (bytes, bytearray, memoryview)):
        return '"\\\\x' + bytes(value).hex() + '"'
    return f'"{value}"'


def _as_text(value: Any) -> str:
    if isinstance(value, Enum):
        return _as_text(value.value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).decode()
    if isinstance(value, _NESTED):
        return _JSON(value).decode()
    if isinstance(value, (UUID, Decimal)):
        return str(value)
    raise _no_place(value, "text")


def _as_json(value: Any) -> str:
    return _as_text(value) if isinstance(value, (str, bytes, bytearray, memoryview)) else _JSON(value).decode()


def _as_moment(value: Any) -> datetime:
    if not isinstance(value, datetime):
        raise _no_place(value, "timestamptz")
    if value.tzinfo is None:
        raise ValueError(f"{value!r} has no time zone; use UTC")
    return value


def _as(kind: type, held: str, *accepted: type) -> Callable[[Any], Any]:
    def turned(value: Any) -> Any:
        if isinstance(value, Enum):
            value = value.value
        if isinstance(value, (kind, *accepted)):
            return kind(value)
        raise _no_place(value, held)

    return turned


def _as_uuid(value: Any) -> UUID:
    if isinstance(value, UUID):
        return value
    raise _no_place(value, "uuid")


def _no_place(value: Any, held: str) -> TypeError:
    return TypeError(f"a value of type {type(value).__name__} has no place in {held}: {value!r}")


_new, _set, _number, _unknown = object.__new__, object.__setattr__, int.from_bytes, SafeUUID.unknown

_PLAIN_TEXT: frozenset[type] = frozenset((str, _NONE))
_TEXTS = ("text", "varchar", "bpchar", "name")
_JSONS = ("jsonb", "json", *_TEXTS)
_INTS = ("int8", "int4", "int2")
_ENCODERS: dict[str, Encoder] = {
    "bool": (frozenset((bool, _NONE)), _as(bool, "boolean", int)),
    **{held: (frozenset((int, _NONE)), _as(int, held, bool)) for held in _INTS},
    "float8": (frozenset((float, int, _NONE)), _as(float, "double", Decimal)),
    "float4": (frozenset((float, int, _NONE)), _as(float, "real", Decimal)),
    "numeric": (frozenset((Decimal, int, _NONE)), _as(Decimal, "numeric", float)),
    "bytea": (frozenset((bytes, _NONE)), _as(bytes, "bytea", bytearray, memoryview)),
    "uuid": (frozenset((UUID, _NONE)), _as_uuid),
    # A datetime's type says nothing about its zone, so none of them passes unseen.
    "timestamptz": (frozenset((_NONE,)), _as_moment),
    "jsonb": (_PLAIN_TEXT, _as_json),
    "json": (_PLAIN_TEXT, _as_json),
}
_HOLDS: dict[Any, tuple[str, ...]] = {
    bool: ("bool",),
    int: _INTS,
    datetime: ("timestamptz",),
    float: ("float8", "float4", *_INTS),
    str: (*_TEXTS, "jsonb", "json"),
    Decimal: ("numeric", *_TEXTS, *_INTS),
    bytes: ("bytea", *_JSONS),
    UUID: ("uuid", *_TEXTS),
}
_LOADERS: dict[tuple[Any, str], Loader] = {
    **{(float, held): float for held in _INTS},
    **{(Decimal, held): Decimal for held in (*_TEXTS, *_INTS)},
    **{(bytes, held): str.encode for held in _JSONS},
    **{(UUID, held): UUID for held in _TEXTS},
}
