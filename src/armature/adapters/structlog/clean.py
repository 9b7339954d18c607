"""What may stand in a log line: no secret, no forged line, no end of it.

Values come from anywhere: callers' input, exceptions, objects of modules. Names that sound like a secret lose their
value (a `Secret` masks itself); control characters are written as escapes, so that input can neither start a line nor
move a terminal's cursor; depth, length and number are bounded. Nothing here raises: an object whose `repr` fails is
named by its type.
"""

import dataclasses
import re
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from pathlib import PurePath
from uuid import UUID

from msgspec import Struct

__all__ = ["Plain", "clean_fields", "clean_text", "clean_traceback"]

Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"]

MASK = "****"
TEXT_CHARS_MAX = 8_192
TRACEBACK_CHARS_MAX = 32_768
DEPTH_MAX = 6
# Of all containers of one line together.
ITEMS_MAX = 500
LINE_CHARS_MAX = 65_536

_WORDS = r"passw(?:or)?d|passphrase|secret|token|authorization|cookie|api[-_]?key|private[-_]?key|credential"
_SECRET_NAME = re.compile(_WORDS, re.IGNORECASE)

# `password=…`, `"token": "…"`, `Authorization: Basic …`; not `token:expired`, which is a code.
_SECRET_TEXT = re.compile(
    rf"""((?:{_WORDS})[\w-]{{0,40}}(?:["'\\]{{0,2}}\s{{0,4}}=\s{{0,4}}|["'\\]{{1,2}}\s{{0,4}}:\s{{0,4}}|:\s{{1,4}}))"""
    r"""((?:(?:bearer|basic|digest)\s+)?(?:"[^"\r\n]*"|'[^'\r\n]*'|[^\s&,;)}]+)(?:;\s?[\w-]+=[^\s;,]*)*)""",
    re.IGNORECASE,
)
# What stands between a name and its value; a text without any has no secret that could be told from its words.
_JOINT = re.compile(r"[=:\s]")
_HINTS = ("passw", "passphrase", "secret", "token", "authorization", "cookie", "api", "private", "credential", "bearer", "://")
_BEARER = re.compile(r"\b(bearer\s+)[\w.~+/=-]{16,}", re.IGNORECASE)
_USERINFO = re.compile(r"(://)[^/\s@]{1,256}@")

# C0, C1, the line and paragraph separators, and what turns the direction of text around.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def clean_fields(fields: Mapping[str, object]) -> dict[str, Plain]:
    """Return the fields of a line as plain, bounded, masked data. `exception` and `stack` keep their line breaks."""
    walk = _Walk()
    cleaned: dict[str, Plain] = {}
    for key, value in fields.items():
        name = _name(key)
        if name in ("exception", "stack") and isinstance(value, str):
            cleaned[name] = clean_traceback(value)
        else:
            cleaned[name] = walk.value(name, value, 0)
    return cleaned


def clean_text(text: str) -> str:
    """Return one line of text without secrets and control characters."""
    if len(text) > TEXT_CHARS_MAX:
        text = f"{text[:TEXT_CHARS_MAX]}… ({len(text)} characters)"
    return _escape(_mask(text))


def clean_traceback(text: str) -> str:
    """Return a traceback without secrets; its end is kept, where the error stands."""
    if len(text) > TRACEBACK_CHARS_MAX:
        text = f"({len(text)} characters) …{text[-TRACEBACK_CHARS_MAX:]}"
    return "\n".join(_escape(line) for line in _mask(text).split("\n"))


def _name(key: object) -> str:
    # Nearly all names are words of the program, seen before; others are not worth a place in the cache.
    return _known_name(key) if isinstance(key, str) and len(key) <= 64 else clean_text(str(key))


_known_name = lru_cache(maxsize=1_024)(clean_text)


def _is_secret(name: str) -> bool:
    return _known_secret(name) if len(name) <= 64 else _SECRET_NAME.search(name) is not None


@lru_cache(maxsize=1_024)
def _known_secret(name: str) -> bool:
    return _SECRET_NAME.search(name) is not None


def _mask(text: str) -> str:
    # The expressions below cost 70 ns a character and almost no text needs them.
    if not _JOINT.search(text):
        return text
    low = text.lower()
    if not any(hint in low for hint in _HINTS):
        return text
    text = _SECRET_TEXT.sub(rf"\1{MASK}", text)
    text = _BEARER.sub(rf"\1{MASK}", text)
    return _USERINFO.sub(rf"\1{MASK}@", text)


def _escape(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    text = text.encode("utf-8", "backslashreplace").decode()  # lone surrogates cannot be written
    return _CONTROL.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    char = found[0]
    return _SHORT.get(char) or (f"\\x{ord(char):02x}" if ord(char) < 256 else f"\\u{ord(char):04x}")


class _Walk:
    """One walk over the values of one line, with what is left of its budget."""

    def __init__(self) -> None:
        self._left = ITEMS_MAX
        self._chars = LINE_CHARS_MAX

    def value(self, name: str, value: object, depth: int) -> Plain:
        if value is not None and _is_secret(name):
            return MASK
        try:
            plain = self._plain(value, depth)
        except Exception:
            return f"<{type(value).__name__} that cannot be shown>"
        if depth and isinstance(plain, str):  # the fields themselves, the event first of all, are never cut for others
            self._chars -= len(plain)
            return plain if self._chars >= 0 else "… cut"
        return plain

    def _plain(self, value: object, depth: int) -> Plain:
        if value is None or isinstance(value, bool | float):
            return value
        if isinstance(value, str):
            return clean_text(value)
        if isinstance(value, int):
            return value if -(2**63) <= value < 2**63 else f"<number of {value.bit_length()} bits>"
        if isinstance(value, bytes | bytearray | memoryview):
            return f"<{len(value)} bytes>"
        if isinstance(value, UUID | date | Decimal | PurePath):
            return clean_text(str(value))
        if isinstance(value, Enum):
            return self._plain(value.value, depth)
        if isinstance(value, BaseException):
            return clean_text(f"{type(value).__name__}: {value}")
        fields = _fields(value)
        if fields is not None:
            return self._mapping(fields, depth)
        if isinstance(value, list | tuple | set | frozenset):
            return self._sequence(value, depth)
        return clean_text(repr(value))

    def _mapping(self, fields: Iterable[tuple[object, object]], depth: int) -> Plain:
        shown: dict[str, Plain] = {}
        for key, value in fields:
            if not self._spend(depth):
                shown["…"] = "cut"
                break
            name = _name(key)
            shown[name] = self.value(name, value, depth + 1)
        return shown

    def _sequence(self, values: Iterable[object], depth: int) -> Plain:
        shown: list[Plain] = []
        for value in values:
            if not self._spend(depth):
                shown.append("… cut")
                break
            shown.append(self.value("", value, depth + 1))
        return shown

    def _spend(self, depth: int) -> bool:
        self._left -= 1
        return self._left >= 0 and depth < DEPTH_MAX


def _fields(value: object) -> Iterable[tuple[object, object]] | None:
    if isinstance(value, Mapping):
        return value.items()
    if isinstance(value, Struct):
        return [(name, getattr(value, name)) for name in value.__struct_fields__]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
    return None
