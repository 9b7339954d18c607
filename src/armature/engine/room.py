"""How many events may wait for the broker before those who would tell more are sent away.

While a broker is away the log grows, and nothing else is wrong: callers notice nothing. That cannot go on until the disk is
full, when nothing works any more. So from `delivery.backlog_max` waiting events on, a command that would tell events is refused
before its commit, with Retry-After; queries, commands without events and answers that are kept for a key go on. What waits is
looked at now and then (room_watch.py), so a few more may come in between.
"""

from armature.kernel.refusals import Unavailable

__all__ = ["Room"]

_RETRY_SECONDS = 5.0
"""A broker that is away so long is not back in a moment."""


class Room:
    """What pipelines ask. Without a watch, where nobody relays, it is never full."""

    def __init__(self) -> None:
        self.full = False
        self.waiting = 0
        """Events that the broker did not have when it was last looked."""

    def refusal(self) -> Unavailable:
        """Return what is said to who would tell more."""
        return Unavailable(what=f"the broker, for which {self.waiting} events wait already", retry_after_seconds=_RETRY_SECONDS)
