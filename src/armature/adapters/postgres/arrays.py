"""Columns of values as PostgreSQL writes arrays: one text for each column instead of one parameter for each value.

The driver looks at every element of an array by itself, in Python; for a batch of units that was a tenth of what a command
costs. JSON's writer makes nearly the same text at a stroke: brackets differ, and so do control characters, which are rare.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from armature.adapters.postgres.values import array_text

__all__ = ["ArrayText", "array_writer"]

ArrayText = Callable[[Sequence[Any]], str]
"""Writes a column of values, None among them, as the text of an array."""

# Of a type that it does not know the text is taken, as the driver would.
_json = msgspec.json.Encoder(uuid_format="canonical", enc_hook=str).encode
# JSON writes `\n` where PostgreSQL, which knows no such sign, would read an n.
_CONTROL = re.compile(r"[\x00-\x1f]")
# A float may be no number at all, for which JSON has no word.
_AS_JSON = frozenset(("int2", "int4", "int8", "bool", "uuid", "timestamptz", "numeric"))
_TEXTS = frozenset(("text", "varchar", "bpchar", "jsonb", "json"))


def array_writer(held: str) -> ArrayText | None:
    """Return what writes values of a column's type; None for a type that only the driver knows to write."""
    if held in _TEXTS:
        return _of_texts
    if held == "bytea":
        return _of_bytes
    return _plain if held in _AS_JSON else None


def _plain(values: Sequence[Any]) -> str:
    return f"{{{_json(values).decode()[1:-1]}}}"


def _of_texts(values: Sequence[str | None]) -> str:
    told = _json(values).decode()
    if "\\" in told and any(value is not None and _CONTROL.search(value) for value in values):
        return array_text(values)
    return f"{{{told[1:-1]}}}"


def _of_bytes(values: Sequence[bytes | None]) -> str:
    return "{" + ",".join(["NULL" if value is None else f'"\\\\x{value.hex()}"' for value in values]) + "}"
