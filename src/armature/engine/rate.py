"""The limiter's arithmetic: GCRA, one number per key and no timer.

The generic cell rate algorithm (ITU-T I.371, as in redis-cell) keeps for each key the *theoretical arrival time*: the moment
at which the key would be full again. A call is admitted when that moment is at most a burst away. Unlike a counter per window
it admits no double portion at a window's edge, and it knows exactly when the next call fits, so Retry-After is true.
"""

import math
from collections import OrderedDict

from armature.ports.limiter import Rate

__all__ = ["Gcra", "Rate"]

# How many of the oldest keys are looked at for one that is full again. They are in the order of their last admitted call, so
# the first is nearly always the one; the bound keeps the worst call short.
_SEARCH = 8


class Gcra:
    """One rate over many keys. Takes the time, never reads it; a check is a dict look-up and three comparisons."""

    __slots__ = ("_arrivals", "_emission", "_keys_max", "_tolerance", "evicted_early")

    def __init__(self, rate: Rate, *, keys_max: int) -> None:
        if keys_max < 1:
            raise ValueError(f"keys_max must be at least 1, not {keys_max}")
        self._emission = rate.period_seconds / rate.count
        self._tolerance = rate.period_seconds - self._emission
        self._keys_max = keys_max
        self._arrivals: OrderedDict[str, float] = OrderedDict()
        self.evicted_early = 0
        """Keys that had to leave before they were full again: above zero, `keys_max` is too small for the traffic."""

    def __len__(self) -> int:
        return len(self._arrivals)

    def check(self, key: str, now: float) -> float:
        """Admit one call (0.0), or say after how many seconds one will be admitted; a refused call changes nothing."""
        arrivals = self._arrivals
        arrival = arrivals.get(key)
        if arrival is None:
            if len(arrivals) >= self._keys_max:
                self._make_room(now)
            arrivals[key] = now + self._emission
            return 0.0
        if arrival <= now:
            arrivals[key] = now + self._emission
        elif arrival - self._tolerance <= now:
            arrivals[key] = arrival + self._emission
        else:
            return _wait(arrival - self._tolerance, now)
        arrivals.move_to_end(key)
        return 0.0

    def _make_room(self, now: float) -> None:
        """Forget a key that is full again, for that forgets nothing; failing that, the one unused for longest."""
        for position, (key, arrival) in enumerate(self._arrivals.items()):
            if arrival <= now:
                del self._arrivals[key]
                return
            if position == _SEARCH:
                break
        self._arrivals.popitem(last=False)
        self.evicted_early += 1


def _wait(admitted_at: float, now: float) -> float:
    """Seconds until `admitted_at`, rounded so that `now` plus them is never a hair too early."""
    wait = admitted_at - now
    return wait if now + wait >= admitted_at else wait + math.ulp(admitted_at)
