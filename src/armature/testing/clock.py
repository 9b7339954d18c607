"""A clock that stands still until a test moves it.

Expiry, retention and "ten a minute" are then facts of one line instead of a sleep and a hope. What measures its own work
(deadlines, drains, waits for a position) keeps the real clock: it would never end on one that stands still.
"""

from datetime import UTC, datetime, timedelta

__all__ = ["Clock"]

_START = datetime(2030, 1, 1, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock:
    """Time as the application under test sees it: `ctx.now`, ids, expiry of keys, rates, retention."""

    def __init__(self, start: datetime = _START) -> None:
        if start.tzinfo is None:
            raise ValueError(f"{start} has no time zone; time here is UTC: datetime(2030, 1, 1, tzinfo=UTC)")
        self._now = start

    def now(self) -> datetime:
        """Return the time, UTC."""
        return self._now

    def move(self, seconds: float) -> None:
        """Let time pass, or with a negative number go back, as real clocks do."""
        self._now += timedelta(seconds=seconds)

    def nanoseconds(self) -> int:
        """Return the time since 1970 in nanoseconds, exact to the microsecond."""
        return (self._now - _EPOCH) // timedelta(microseconds=1) * 1_000

    def seconds(self) -> float:
        """Return the time since 1970 in seconds."""
        return self.nanoseconds() / 1e9
