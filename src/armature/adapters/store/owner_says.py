"""What the owner of a file says to a guest."""

from enum import IntEnum
from typing import Any

import msgspec
from msgspec import Struct

__all__ = ["Bye", "End", "News", "Refused", "Returned", "Rows", "Told", "Welcome", "YourTurn", "of_owner"]


class Welcome(Struct, array_like=True, tag=0):
    """The owner answers. `instance` is this life of it, `file` the device and inode of what it owns."""

    version: int
    instance: bytes
    file: tuple[int, int]


class Refused(Struct, array_like=True, tag=1):
    """The owner does not take this guest."""

    words: str


class End(IntEnum):
    """What a guest is told of what it asked for."""

    COMMITTED = 0
    CONFLICT = 1
    GUARD = 2
    VIOLATED = 3
    TWIN = 4
    EXPIRED = 5
    DONE = 6
    UNAVAILABLE = 7
    UNKNOWN = 8
    TOO_LARGE = 9
    SCRIPT = 10
    NEVER = 11
    BUG = 12


class Told(Struct, array_like=True, tag=2, gc=False):
    """The end of one thing. `number`: the last event's id, or which write or guard of the unit it was."""

    id: int
    end: End
    number: int | None = None
    text: str = ""


class YourTurn(Struct, array_like=True, tag=3):
    """From now on nobody else writes. `rows` answer the reads that came with the wish; None: ask."""

    id: int
    rows: list[list[Any]] | None = None


class Rows(Struct, array_like=True, tag=4):
    """What a turn asked for: for each ask its rows, as SQLite keeps them; or why there is nothing."""

    id: int
    rows: list[list[Any]]
    end: End = End.DONE
    text: str = ""


class Returned(Struct, array_like=True, tag=6):
    """What a verb of a port returned; or why it did not."""

    id: int
    value: Any
    end: End = End.DONE
    text: str = ""


class News(Struct, array_like=True, tag=7):
    """A listener of a guest has a signal. `lost`: how many it missed here."""

    listener: int
    payload: bytes
    lost: int


class Bye(Struct, array_like=True, tag=5):
    """The owner ends in order: who has not been told by now was not heard."""


of_owner = msgspec.msgpack.Decoder(list[Welcome | Refused | Told | YourTurn | Rows | Returned | News | Bye]).decode
