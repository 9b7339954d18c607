"""Server-sent events out of bytes (the WHATWG standard, 9.2.6): pieces may end anywhere, also within a letter."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import Generic, TypeVar

from msgspec import Struct

__all__ = ["Block", "EventParser", "Happened"]

T = TypeVar("T")

_LINE = re.compile(r"\r\n|\n|\r")


class Happened(Struct, Generic[T], frozen=True):
    """An event of a feed. `id` is where the feed goes on after it."""

    id: str
    type: str
    event: T


class Block(Struct, frozen=True):
    """What stood between two empty lines; `data` is None where there was no event."""

    id: str
    type: str
    data: str | None


class EventParser:
    """Reads one stream; `retry_seconds` is how long the server asks to wait before it is opened again."""

    def __init__(self) -> None:
        self.retry_seconds: float | None = None
        self._letters = codecs.getincrementaldecoder("utf-8")("replace")
        self._text = ""
        self._began = False
        self._id = ""
        self._type = ""
        self._data: list[str] = []

    def feed(self, piece: bytes) -> Iterator[Block]:
        """Take the next bytes; yield the blocks they complete."""
        self._text += self._letters.decode(piece)
        if not self._began and self._text:
            self._began = True
            self._text = self._text.removeprefix("\ufeff")
        while (found := _LINE.search(self._text)) is not None:
            if found[0] == "\r" and found.end() == len(self._text):
                return  # its line feed may be in the next piece
            line, self._text = self._text[: found.start()], self._text[found.end() :]
            if line:
                self._field(line)
            else:
                yield self._block()

    def _field(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._type = value
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            self.retry_seconds = int(value) / 1_000

    def _block(self) -> Block:
        made = Block(self._id, self._type or "message", "\n".join(self._data) if self._data else None)
        self._type, self._data = "", []
        return made
