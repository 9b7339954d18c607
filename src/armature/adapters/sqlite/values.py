"""Between Python's values and the four kinds of value a STRICT table holds.

UUIDs are 16 bytes, times are microseconds since 1970 in UTC, booleans are 0 and 1, decimals and nested values are
text (JSON). Both directions live here, so that what is written in one place is understood in the other.
"""

import types
from array import array
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from operator import attrgetter
from typing import Any, Literal, NewType, Union, get_args, get_origin
from uuid import UUID, SafeUUID

import apsw
import msgspec

from armature.engine.shapes import UnfitColumn

__all__ = ["PLAIN", "Loader", "listed", "loader", "micros", "store", "store_list"]

PLAIN = frozenset((int, str, bytes, float, type(None)))
"""Types that go through as they are; looked at before `store` is called at all."""

Loader = Callable[[Any], Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ENCODE = msgspec.json.Encoder(uuid_format="canonical").encode


def micros(moment: datetime) -> int:
    """Return microseconds since 1970; a time without zone is refused, because it means another moment on another machine."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone; use UTC")
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def store(value: Any) -> int | float | str | bytes | None:
    """Return what SQLite keeps for a value that is not plain."""
    exact = _STORES.get(type(value))
    if exact is not None:
        kept: int | float | str | bytes = exact(value)
        return kept
    if isinstance(value, Enum):
        return value.value if type(value.value) in PLAIN else store(value.value)
    if isinstance(value, (int, float, str, bytes)):  # their subclasses, as plain values
        plain: int | float | str | bytes = next(make(value) for kind, make in _PLAINER.items() if isinstance(value, kind))
        return plain
    if isinstance(value, (msgspec.Struct, list, tuple, dict, msgspec.Raw)):
        return _ENCODE(value).decode()
    raise TypeError(f"a value of type {type(value).__name__} has no place in a column: {value!r}")


def listed(values: Any) -> list[int | float | str | bytes | None]:
    """Return the values of `in (:names)`, each as SQLite keeps it. NULLs are left out: they equal nothing."""
    if isinstance(values, (str, bytes)) or not isinstance(values, (Sequence, set, frozenset)):
        raise TypeError(f"`in (:names)` takes a list, not {type(values).__name__}")
    return [value if type(value) in PLAIN else store(value) for value in values if value is not None]


def store_list(values: Any) -> Any:
    """Return the values of `in (:names)` as one array."""
    plain: Any = listed(values)
    if not plain:
        return None
    kinds = {type(value) for value in plain}
    if kinds == {int}:
        return apsw.carray(array("q", plain))
    if kinds <= {int, float}:
        return apsw.carray(array("d", plain))
    if len(kinds) > 1:
        raise TypeError(f"`in (:names)` takes values of one type, not {sorted(kind.__name__ for kind in kinds)}")
    return apsw.carray(tuple(plain))


def loader(hint: Any, declared: str | None) -> tuple[Loader | None, bool]:
    """Return how a column becomes a value of `hint` (None: as it is), and whether NULL is allowed.

    `declared` is the column's type in its table, None for an expression. What cannot fit raises UnfitColumn.
    """
    bare, nullable = _bare(hint)
    kind = get_origin(bare) or bare
    if kind is Literal:
        kind = type(get_args(bare)[0])
    held = (declared or "").upper()
    held = "INTEGER" if held == "INT" else held
    if isinstance(kind, type) and issubclass(kind, Enum):
        value_kind = type(next(iter(kind)).value)
        _fits(value_kind, held)
        return kind, nullable
    if kind not in _LOADERS:
        _fits(dict, held)
        return msgspec.json.Decoder(bare).decode, nullable
    if held == "TEXT" and kind in _FROM_TEXT:
        return _FROM_TEXT[kind], nullable
    _fits(kind, held)
    return _LOADERS[kind], nullable


def _fits(kind: type, held: str) -> None:
    wanted = _HOLDS.get(kind, ("TEXT", "BLOB"))
    if held in {"INTEGER", "TEXT", "BLOB", "REAL"} and held not in wanted:
        raise UnfitColumn(f"a {kind.__name__} is kept in a column of type {wanted[0].lower()}, this one is {held.lower()}")


def _bare(hint: Any) -> tuple[Any, bool]:
    """Take off Annotated, NewType and `| None`."""
    nullable = False
    while True:
        if hasattr(hint, "__metadata__"):
            hint = hint.__origin__
        elif isinstance(hint, NewType):
            hint = hint.__supertype__
        elif get_origin(hint) in (Union, types.UnionType) and type(None) in get_args(hint):
            rest = tuple(arg for arg in get_args(hint) if arg is not type(None))
            hint, nullable = Union[rest], True  # noqa: UP007 - built at run time
        else:
            return hint, nullable or hint is type(None) or hint is Any


def _moment(stored: int) -> datetime:
    return _EPOCH + timedelta(microseconds=stored)


_new, _set, _number, _unknown = object.__new__, object.__setattr__, int.from_bytes, SafeUUID.unknown


def _uuid(stored: bytes) -> UUID:
    # Three times as fast as UUID(bytes=…), which checks again what the column's length has settled.
    if len(stored) != 16:
        raise ValueError(f"a uuid has 16 bytes, the column holds {len(stored)}")
    made: UUID = _new(UUID)
    _set(made, "int", _number(stored, "big"))
    _set(made, "is_safe", _unknown)
    return made


_PLAINER: dict[type, Callable[[Any], Any]] = {int: int, float: float, str: str, bytes: bytes}
_STORES: dict[type, Callable[[Any], Any]] = {
    bool: int,
    UUID: attrgetter("bytes"),
    datetime: micros,
    Decimal: str,
    bytearray: bytes,
    memoryview: bytes,
}
_LOADERS: dict[Any, Loader | None] = {
    bool: bool,
    int: None,
    float: float,
    str: None,
    bytes: None,
    UUID: _uuid,
    datetime: _moment,
    Decimal: Decimal,
    Any: None,
    type(None): None,
}
_FROM_TEXT: dict[Any, Loader] = {bytes: str.encode, UUID: UUID}
_HOLDS: dict[Any, tuple[str, ...]] = {
    Any: ("INTEGER", "REAL", "TEXT", "BLOB"),
    bool: ("INTEGER",),
    int: ("INTEGER",),
    datetime: ("INTEGER",),
    float: ("REAL", "INTEGER"),
    str: ("TEXT",),
    Decimal: ("TEXT",),
    bytes: ("BLOB",),
    UUID: ("BLOB",),
}
