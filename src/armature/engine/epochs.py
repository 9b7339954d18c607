"""The epochs of a log that went back to an older state, and what does not outlive that.

Two restores of one backup give one number to two events, so what follows the log must be able to tell them apart.
"""

from collections.abc import Sequence
from secrets import randbelow
from time import time_ns

from msgspec import Struct

from armature.ports.migrator import SchemaRefused, Trouble

__all__ = ["FORGOTTEN", "Turned", "next_epoch", "served"]

FORGOTTEN = ("armature_leases", "armature_cursors", "armature_quarantine", "armature_requests")
"""What belongs to processes and brokers of then: who may do what is asked anew, a broker is filled anew from the log."""

_CHANCE = 1_000_000


class Turned(Struct, frozen=True):
    """A log that has begun an epoch of its own, and its last position."""

    log: str
    epoch: int
    head: int


def next_epoch(epoch: int) -> int:
    """Return the epoch of a log that went back to a state in which it was in `epoch`: a later one, and of no other restore.

    The moment in microseconds puts restores in order. Up to a second by chance keeps apart those of one moment, and those under
    a clock that stands behind the backup's epoch.
    """
    return max(epoch, time_ns() // 1_000) + 1 + randbelow(_CHANCE)


def served(place: object, holders: Sequence[str]) -> SchemaRefused:
    """Return the refusal to change the epoch under processes that know the old one."""
    cure = "stop every process of it first; what a killed one held ends by itself within seconds"
    return SchemaRefused(Trouble(str(place), 0, f"it is being served: {', '.join(holders)}", cure))
