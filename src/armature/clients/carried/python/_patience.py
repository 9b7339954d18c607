"""When to try again, and for how long: full jitter between bounds that double, a budget over all calls, one deadline.

The jitter is that of Brooker, "Exponential Backoff And Jitter" (2015); the budget that of Finagle: each call earns a part of
a repeat, so that repeats add a few per cent to the load of a server in trouble and not a multiple of it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from ._calls import Options

__all__ = ["Budget", "Patience", "Pause"]


class Budget:
    """How many repeats are still to be had, over all calls of a client."""

    def __init__(self, options: Options) -> None:
        self._earned = options.budget
        self._spare = options.budget_spare
        self.left = options.budget_spare

    def earn(self) -> None:
        """A call was made."""
        self.left = min(self._spare, self.left + self._earned)

    def spend(self) -> bool:
        """Take a repeat; False when none is left."""
        if self.left < 1:
            return False
        self.left -= 1
        return True


class Pause:
    """Pauses of one caller; each is random up to a bound that doubles, after what the server asked to wait."""

    def __init__(self, options: Options, chance: Callable[[], float] = random.random) -> None:
        self._first = options.pause_seconds
        self._most = options.pause_seconds_max
        self._chance = chance
        self.count = 0

    def next(self, asked_seconds: float | None) -> float:
        """Return the seconds to wait now."""
        bound = min(self._most, self._first * 2.0**self.count)
        self.count += 1
        return (asked_seconds or 0.0) + self._chance() * bound

    def again(self) -> None:
        """Begin anew: something went well."""
        self.count = 0


class Patience:
    """The attempts of one call."""

    def __init__(
        self, options: Options, budget: Budget, seconds: float | None, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._now = now
        self._until = now() + (options.deadline_seconds if seconds is None else seconds)
        self._attempts_left = options.attempts_max - 1
        self._budget = budget
        self._pause = Pause(options)
        budget.earn()

    @property
    def left(self) -> float:
        """The seconds until the deadline."""
        return self._until - self._now()

    def wait(self, asked_seconds: float | None) -> float | None:
        """Return the seconds to wait before a repeat, None when there is to be none."""
        seconds = self._pause.next(asked_seconds)
        if self._attempts_left <= 0 or seconds >= self.left or not self._budget.spend():
            return None
        self._attempts_left -= 1
        return seconds
