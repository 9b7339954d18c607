"""What every edge and every store can carry, beyond what a type says: whole numbers of 64 bits, numbers that are finite, and
moments that UTC has a name for (laws 11).

A value beyond these would be understood here and break further on: in a column of 64 bits, in a message, in the JSON of an
answer, where a number that is none becomes null. Looked at once more only where a type leaves room for such values.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from math import isfinite
from typing import Any, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from armature.kernel.failure import FieldError

__all__ = ["Wrong", "wrong"]

Wrong = Callable[[str, Any], Iterator[FieldError]]
"""Yields what is wrong with a value, by the path that it has."""

_LEAST, _MOST = -(2**63), 2**63 - 1


def wrong(kind: Any) -> Wrong | None:
    """Return what judges values of a type; None where the type says all there is to say."""
    return _wrong(kind, {})


def _wrong(kind: Any, known: dict[Any, Wrong | None]) -> Wrong | None:
    if kind in _PLAIN:
        return _PLAIN[kind]
    origin, parts = get_origin(kind), get_args(kind)
    if hasattr(kind, "__supertype__"):  # an id of a kind
        return _wrong(kind.__supertype__, known)
    if hasattr(kind, "__metadata__"):
        return None if _bounded(kind) else _wrong(parts[0], known)
    if isinstance(origin or kind, type) and issubclass(origin or kind, Struct):
        return _struct(kind, known)
    if origin is list:
        return _many(_wrong(parts[0], known), enumerate)
    if origin is dict:
        return _many(_wrong(parts[1], known), dict.items)
    return _union(parts, known)


def _bounded(kind: Any) -> bool:
    """Whether a whole number has bounds of its own, on both sides."""
    bounds = [one for one in kind.__metadata__ if isinstance(one, Meta)]
    below = any(one.ge is not None or one.gt is not None for one in bounds)
    return get_args(kind)[0] is int and below and any(one.le is not None or one.lt is not None for one in bounds)


def _struct(kind: Any, known: dict[Any, Wrong | None]) -> Wrong | None:
    if kind in known:
        return lambda path, value: found(path, value) if (found := known[kind]) is not None else iter(())
    fields: list[tuple[str, str, Wrong]] = []

    def judge(path: str, value: Any) -> Iterator[FieldError]:
        for name, wire, one in fields:
            yield from one(f"{path}.{wire}" if path else wire, getattr(value, name))

    known[kind] = judge
    for field in msgspec.structs.fields(kind):
        one = _wrong(field.type, known)
        if one is not None:
            fields.append((field.name, field.encode_name, one))
    if not fields:
        known[kind] = None
    return known[kind]


def _union(parts: tuple[Any, ...], known: dict[Any, Wrong | None]) -> Wrong | None:
    """Of an optional type, or of structs that a tag tells apart."""
    found = {_class(part): one for part in parts if (one := _wrong(part, known)) is not None}
    if not found:
        return None

    def judge(path: str, value: Any) -> Iterator[FieldError]:
        one = found.get(value.__class__)
        return one(path, value) if one is not None else iter(())

    return judge


def _class(kind: Any) -> Any:
    while hasattr(kind, "__supertype__") or hasattr(kind, "__metadata__"):
        kind = kind.__supertype__ if hasattr(kind, "__supertype__") else get_args(kind)[0]
    return get_origin(kind) or kind


def _many(judge: Wrong | None, named: Callable[[Any], Iterable[tuple[Any, Any]]]) -> Wrong | None:
    if judge is None:
        return None

    def each(path: str, value: Any) -> Iterator[FieldError]:
        for name, one in named(value):
            yield from judge(f"{path}.{name}", one)

    return each


def _whole(path: str, value: int) -> Iterator[FieldError]:
    if not _LEAST <= value <= _MOST:
        yield FieldError(path, "expected a whole number of 64 bits")


def _finite(path: str, value: float | Decimal) -> Iterator[FieldError]:
    if not (value.is_finite() if isinstance(value, Decimal) else isfinite(value)):
        yield FieldError(path, "expected a finite number")


def _moment(path: str, value: datetime) -> Iterator[FieldError]:
    if value.tzinfo is UTC:
        return
    if value.tzinfo is None:
        yield FieldError(path, "expected a time with its offset, as 2026-01-31T12:00:00Z")
        return
    try:
        value.astimezone(UTC)
    except OverflowError:
        yield FieldError(path, "expected a time of the years 1 to 9999 in UTC")


_PLAIN: dict[Any, Wrong] = {int: _whole, float: _finite, Decimal: _finite, datetime: _moment}
