"""The seam for databases that cannot number an event when it is recorded: positions are given to what is seen committed.

A sequence grows in the order in which transactions asked, not in which they committed, so a reader of ids would pass over what
commits late. A database whose writers are serial has no adapter for this: its ids are its positions.

Laws (tests/delivery/test_numbering.py proves them):
 1. Positions are 1, 2, 3 … without a gap; each is given once and never changes, whoever numbers and whoever is killed.
 2. Within a stream positions grow with the versions; what an event caused comes after it.
 3. Only what is committed gets a position.
 4. Several that number at once take turns.
"""

from typing import Protocol

from msgspec import Struct

__all__ = ["Numbered", "Numbering"]


class Numbered(Struct, frozen=True):
    """What one transaction numbered: how many events, and the last position there is after it."""

    count: int
    last: int


class Numbering(Protocol):
    """Gives positions to the events of one log. Any number of processes may; the database lets them take turns."""

    async def number(self, limit: int) -> Numbered:
        """Number up to `limit` events that are committed and have no position yet, in one transaction.

        `Numbered(0, 0)` when none was waiting. `Unavailable` when the database is away; then nothing was numbered, or all of it.
        """
        ...
