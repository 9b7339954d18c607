"""What a guest says to the owner of a file.

Values travel as SQLite keeps them (a uuid is 16 bytes, a moment is microseconds), so neither side turns them around twice.
Statements are numbers: a guest defines each once for a connection, and whoever has the same text has the same statement.
"""

from typing import Any

import msgspec
from msgspec import Struct

from armature.adapters.store.shapes import Definition, Parts, Plain

__all__ = [
    "Ask",
    "Became",
    "Call",
    "Commit",
    "Decided",
    "Declined",
    "Define",
    "Hello",
    "Leave",
    "Ping",
    "Script",
    "Turn",
    "of_guest",
]


class Hello(Struct, array_like=True, tag=0):
    """A guest comes. `session` is its own for life, over all its connections."""

    version: int
    session: bytes


class Define(Struct, array_like=True, tag=1):
    """Statements from the number `first` on."""

    first: int
    definitions: list[Definition]


class Commit(Struct, array_like=True, tag=2, gc=False):
    """A unit; `left` is how many seconds its caller still waits."""

    id: int
    left: float
    parts: Parts


class Turn(Struct, array_like=True, tag=3):
    """A command wants to decide while nobody else writes. `asks` are the reads it is likely to begin with."""

    id: int
    left: float
    asks: list[Plain] = []


class Ask(Struct, array_like=True, tag=4):
    """A read of a turn."""

    id: int
    asks: list[Plain]


class Decided(Struct, array_like=True, tag=5):
    """What a turn came to."""

    id: int
    parts: Parts


class Declined(Struct, array_like=True, tag=6):
    """A turn came to nothing; its caller knows why."""

    id: int


class Leave(Struct, array_like=True, tag=7):
    """Nobody waits for this any more."""

    id: int


class Became(Struct, array_like=True, tag=8):
    """The connection was lost: what became of these?"""

    ids: list[int]


class Script(Struct, array_like=True, tag=9):
    """Statements that are no units."""

    id: int
    text: str


class Call(Struct, array_like=True, tag=11):
    """A verb of a port that the owner keeps for all: `cache.get`. With the number 0 nobody waits for an answer."""

    id: int
    what: str
    args: list[Any]


class Ping(Struct, array_like=True, tag=10):
    """Is anybody there?"""

    id: int


of_guest = msgspec.msgpack.Decoder(
    list[Hello | Define | Commit | Turn | Ask | Decided | Declined | Leave | Became | Script | Ping | Call]
).decode
