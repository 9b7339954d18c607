"""The numbers a hot path writes to, and the values a scrape reads them as.

A cell belongs to one writer thread, because `+=` of two threads loses steps. Whoever writes from a second thread binds
a second cell of the same labels: a scrape shows their sum. Readers take copies and may be a step behind.
"""

from bisect import bisect_left
from typing import Literal

from msgspec import Struct

__all__ = ["SECONDS", "Buckets", "Cell", "Family", "Labels", "MetricKind", "Point", "RequestMeter"]

Labels = tuple[str, ...]
MetricKind = Literal["counter", "gauge", "histogram"]

# Seconds. Half a millisecond is where a read from SQLite lives; ten seconds is the default deadline of a call.
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Point(Struct, frozen=True, gc=False):
    """One series at the time of a scrape. A histogram has cumulative `buckets` (one for each bound, then the total)."""

    labels: Labels
    value: float
    buckets: tuple[int, ...] = ()


class Family(Struct, frozen=True):
    """One metric at the time of a scrape."""

    name: str
    help: str
    kind: MetricKind
    labels: Labels
    points: list[Point]
    bounds: tuple[float, ...] = ()


class Cell:
    """A number that only grows, for one writer thread."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: float = 0

    def add(self, amount: float = 1) -> None:
        """Count; `amount` is not negative (not checked: this is the hot path)."""
        self.value += amount


class Buckets:
    """A distribution, for one writer thread: how many values fell under each bound, and their sum."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one value; a value equal to a bound is under it."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class RequestMeter:
    """Requests of one method and route template: how they ended, and how long they took."""

    __slots__ = ("counts", "statuses", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(SECONDS) + 1)
        self.statuses: dict[int, int] = {}
        self.total = 0.0

    def observe(self, status: int, seconds: float) -> None:
        """Count one answered request. A status that is none (below 100, above 599) counts as 0."""
        self.counts[bisect_left(SECONDS, seconds)] += 1
        self.total += seconds
        try:
            self.statuses[status] += 1
        except KeyError:
            known = status if 100 <= status <= 599 else 0
            self.statuses[known] = self.statuses.get(known, 0) + 1
