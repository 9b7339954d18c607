"""What to do with a delivered event, decided from what the consumer has written down, without asking anybody.

A broker delivers at least once, and after a failure out of order. So an event is applied only when it is the next one of its
stream: what the consumer has passed is skipped, and before one that is too far ahead the missing ones are fetched from the log.
"""

from enum import Enum

from msgspec import Struct

from armature.ports.bus import Message

__all__ = ["Judgement", "Standing", "judge", "pause_seconds"]

_PAUSE_SECONDS_MAX = 60.0


class Judgement(Enum):
    """What becomes of a delivery."""

    APPLY = "apply"
    SKIP = "skip"
    """Its effect is there already, or it is older than the consumer."""
    HELD = "held"
    """Its stream is parked; it waits in the log."""
    GAP = "gap"
    """Events of its stream may be missing before it."""


class Standing(Struct, frozen=True):
    """What a consumer has written down about an event and its stream."""

    started: int
    """The consumer began after this position."""
    seen: bool
    """The inbox has the event."""
    version: int | None
    """The last version of the stream that was applied, None before the first."""
    position: int
    """Its position; 0 before the first."""
    parked: bool


def judge(message: Message, standing: Standing) -> Judgement:
    """Return what becomes of a delivery."""
    if standing.seen or message.position <= standing.started:
        return Judgement.SKIP
    if standing.parked:
        return Judgement.HELD
    if message.stream_version is None:
        return Judgement.APPLY
    last = standing.version or 0
    if standing.version is not None and message.stream_version <= last:
        return Judgement.SKIP
    return Judgement.APPLY if message.stream_version == last + 1 else Judgement.GAP


def pause_seconds(attempt: int, first: float) -> float:
    """Return how long to wait after an attempt that failed, counted from 1."""
    return min(_PAUSE_SECONDS_MAX, first * 2.0 ** (attempt - 1))
