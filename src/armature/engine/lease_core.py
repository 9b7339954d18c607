"""Who holds a lease, decided without any clock or database of its own: what was read goes in, what to write comes out.

Two clocks, never compared with each other: the database's decides who may take the lease, the holder's own how long it may
believe that it has it. That belief begins when the attempt began, not when the answer came, and ends a margin early.
"""

from math import inf
from typing import Literal

from msgspec import Struct

__all__ = ["LeaseCore", "LeaseRow", "Step"]

Step = Literal["create", "take", "renew", "wait"]

# Another release may give a lease more time than this one does, but not so much.
_ABSURD_TIMES = 10


class LeaseRow(Struct, frozen=True):
    """A lease as the database has it; `left_micros` is what is left of it by the database's clock, 0 or less when it lapsed."""

    holder: str
    term: int
    left_micros: int


class LeaseCore:
    """What one process knows of one lease. `term` is 0 before it ever held it."""

    def __init__(self, holder: str, ttl_seconds: float) -> None:
        self.holder = holder
        self.ttl_seconds = ttl_seconds
        self.absurd_micros = round(ttl_seconds * 1_000_000) * _ABSURD_TIMES
        self.term = 0
        self.trusted_until = -inf
        self._renew_at = -inf

    def trusts(self, now: float) -> bool:
        """Say whether the holder may still believe that it holds the lease."""
        return now < self.trusted_until

    def due(self, now: float) -> bool:
        """Say whether it is time to ask the database: a third of the lease is used up, or it is not held."""
        return now >= self._renew_at or not self.trusts(now)

    def decide(self, row: LeaseRow | None) -> Step:
        """Return what to do about the lease as it stands. A term is renewed only by who was given it.

        With far more left than a lease is given, the database's clock was set back: it counts as lapsed, except for its holder.
        """
        if row is None:
            return "create"
        if row.left_micros <= 0:
            return "take"
        if row.holder == self.holder and row.term == self.term:
            return "renew"
        return "take" if row.left_micros > self.absurd_micros else "wait"

    def won(self, term: int, started: float) -> None:
        """The attempt that began at `started` was committed."""
        self.term = term
        # A tenth for clocks that run at different speeds and for what is done between the look and the deed.
        self.trusted_until = started + self.ttl_seconds * 0.9
        self._renew_at = started + self.ttl_seconds / 3

    def lost(self) -> None:
        """Somebody else has it, or nobody."""
        self.trusted_until = self._renew_at = -inf
