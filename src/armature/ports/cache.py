"""The seam to a cache that never serves what was invalidated before the question was asked.

An entry is stored under the state of its tags at the time of the look-up that missed. Invalidating a tag changes its state, so
that what was computed from before the change can be stored and is never found.

Laws (armature.conformance.cache proves them):
 1. `get` returns what `put` stored under the same key and the same state of all its tags, until its seconds are over.
 2. After `invalidate` has returned, no `get` of a key with that tag returns anything stored under a ticket from before it,
    whenever it is stored and by whichever process.
 3. A tag that the store has forgotten counts as invalidated, never as fresh.
 4. A value is at most `value_bytes_max` long; a longer one is not stored, without an error.
 5. Memory is bounded; what was used least leaves first.
 6. A store that is away raises `Unavailable`, soon.
"""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

__all__ = ["Cache", "Found"]


class Found(Struct, frozen=True):
    """The result of a look-up: `value` is None when there is none; `ticket` names the state of the tags at that time."""

    value: bytes | None
    ticket: bytes


class Cache(Protocol):
    """Values by key, forgotten by tag. Keys and tags are made by `engine.names` and carry tenant and installation."""

    async def open(self) -> None:
        """Connect; `Unavailable` when the store is away."""
        ...

    async def close(self) -> None:
        """Let go of everything. A second close does nothing."""
        ...

    async def get(self, key: str, tags: Sequence[str]) -> Found:
        """Look up a key under the present state of its tags; one round trip. Without tags an entry ends by time alone."""
        ...

    async def put(self, key: str, value: bytes, seconds: float, ticket: bytes) -> None:
        """Keep a value for so long; `ticket` is that of the look-up which came before it was computed."""
        ...

    async def invalidate(self, tags: Sequence[str]) -> None:
        """Make everything with one of these tags unfindable; one round trip."""
        ...
