"""What the platform counts, at a price a request does not feel.

Everything that can be decided at start-up is decided then: names, labels, buckets and the cells that are written to
(`meters.py`). On the path of a call there is an addition to a plain number and nothing else; a scrape pays for the
rest. No vendor is named here: an exposition (`adapters/prometheus`) asks `Telemetry.collect()` for values.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate, pairwise

from armature.engine.meters import SECONDS, Buckets, Cell, Family, Labels, MetricKind, Point, RequestMeter

__all__ = ["CELLS_MAX", "METHODS", "Counter", "Histogram", "RequestMeter", "Telemetry", "TelemetryError"]

# A metric with more cells than this has an unbounded label (an id, a raw path) or is bound anew for each call.
CELLS_MAX = 10_000

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_DURATIONS = "http_request_duration_seconds"
_FAILURES = "armature_metric_failures_total"
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class TelemetryError(Exception):
    """A metric is declared or bound in a way that cannot work; raised at start-up, never on the path of a call."""


class _Metric:
    """Name, help and label names, checked once; the cells by label values, checked when they are bound."""

    kind: MetricKind

    def __init__(self, name: str, help: str, labels: Sequence[str]) -> None:
        for word in (name, *labels):
            if not _NAME.fullmatch(word):
                raise TelemetryError(f"metric {name}: {word!r} is no name; use letters, digits and _")
        self.name, self.help, self.labels = name, help, tuple(labels)

    def check(self, values: Labels, cells: int) -> None:
        if len(values) != len(self.labels):
            raise TelemetryError(f"metric {self.name}: {len(values)} values for the labels {list(self.labels)}")
        if cells >= CELLS_MAX:
            cure = "bind once at start-up, and keep ids and raw paths out of labels"
            raise TelemetryError(f"metric {self.name}: more than {CELLS_MAX} cells; {cure}")

    def read(self) -> Family:
        raise NotImplementedError


class Counter(_Metric):
    """A count that grows. `bind` gives the cell to count in; keep it."""

    kind: MetricKind = "counter"

    def __init__(self, name: str, help: str, labels: Sequence[str]) -> None:
        super().__init__(name, help, labels)
        if not name.endswith("_total"):
            raise TelemetryError(f"metric {name}: a counter's name ends in _total")
        self._cells: list[tuple[Labels, Cell]] = []

    def bind(self, *values: str) -> Cell:
        """Return a new cell for these label values: one for each writer thread."""
        self.check(values, len(self._cells))
        cell = Cell()
        self._cells.append((values, cell))
        return cell

    def read(self) -> Family:
        """Return the sums by label values."""
        sums: dict[Labels, float] = {}
        for values, cell in self._cells:
            sums[values] = sums.get(values, 0) + cell.value
        return Family(self.name, self.help, self.kind, self.labels, [Point(v, n) for v, n in sums.items()])


class Histogram(_Metric):
    """A distribution over fixed bounds. `bind` gives the buckets to observe into; keep them."""

    kind: MetricKind = "histogram"

    def __init__(self, name: str, help: str, labels: Sequence[str], bounds: Sequence[float]) -> None:
        super().__init__(name, help, labels)
        if not bounds or any(low >= high for low, high in pairwise(bounds)):
            raise TelemetryError(f"metric {name}: the bounds of a histogram rise, and there is at least one")
        self.bounds = tuple(bounds)
        self._cells: list[tuple[Labels, Buckets]] = []

    def bind(self, *values: str) -> Buckets:
        """Return new buckets for these label values: one for each writer thread."""
        self.check(values, len(self._cells))
        cell = Buckets(self.bounds)
        self._cells.append((values, cell))
        return cell

    def read(self) -> Family:
        """Return cumulative buckets and sums by label values."""
        sums: dict[Labels, tuple[list[int], float]] = {}
        for values, cell in self._cells:
            counts, total = sums.get(values, ([0] * len(cell.counts), 0.0))
            sums[values] = ([a + b for a, b in zip(counts, cell.counts, strict=True)], total + cell.total)
        points = [Point(v, total, tuple(accumulate(counts))) for v, (counts, total) in sums.items()]
        return Family(self.name, self.help, self.kind, self.labels, points, self.bounds)


class Gauge(_Metric):
    """A value that is asked for when somebody looks: `read_points` is called by a scrape, perhaps on another thread."""

    def __init__(
        self, name: str, help: str, labels: Sequence[str], points: Callable[[], Iterable[Point]], kind: MetricKind
    ) -> None:
        super().__init__(name, help, labels)
        self.kind = kind
        self._points = points

    def read(self) -> Family:
        """Return the values of now."""
        return Family(self.name, self.help, self.kind, self.labels, list(self._points()))


class _Requests(_Metric):
    """The two families that every HTTP service is looked at by."""

    kind: MetricKind = "counter"

    def __init__(self) -> None:
        super().__init__("http_requests_total", "Requests answered.", ("method", "route", "status"))
        self.meters: dict[Labels, RequestMeter] = {}

    def bind(self, method: str, route: str) -> RequestMeter:
        method = method if method in METHODS else "OTHER"
        meter = self.meters.get((method, route))
        if meter is None:
            self.check((method, route, ""), len(self.meters))
            meter = self.meters[method, route] = RequestMeter()
        return meter

    def read(self) -> Family:
        points = [
            Point((*at, str(status) if status else "other"), count)
            for at, meter in list(self.meters.items())
            for status, count in dict(meter.statuses).items()
        ]
        return Family(self.name, self.help, self.kind, self.labels, points)

    def durations(self) -> Family:
        points = [Point(at, meter.total, tuple(accumulate(meter.counts))) for at, meter in list(self.meters.items())]
        help = "Time from the head of a request to the end of its answer."
        return Family(_DURATIONS, help, "histogram", ("method", "route"), points, SECONDS)


class Telemetry:
    """All metrics of one process. Declare at start-up, write to the bound cells, collect when somebody asks."""

    def __init__(self) -> None:
        self._metrics: dict[str, _Metric] = {}
        self._failed: dict[str, float] = {}
        self._requests = _Requests()
        self._declare(self._requests)

    def counter(self, name: str, help: str, labels: Sequence[str] = ()) -> Counter:
        """Declare a counter; its name ends in `_total`. A name is declared once."""
        metric = Counter(name, help, labels)
        self._declare(metric)
        return metric

    def histogram(self, name: str, help: str, bounds: Sequence[float] = SECONDS, labels: Sequence[str] = ()) -> Histogram:
        """Declare a distribution over rising bounds (in the unit that ends the name)."""
        metric = Histogram(name, help, labels, bounds)
        self._declare(metric)
        return metric

    def gauge(self, name: str, help: str, value: Callable[[], float | None]) -> None:
        """Declare a gauge without labels; `value` is asked at each scrape, None leaves the sample out."""

        def points() -> Iterable[Point]:
            now = value()
            return () if now is None else (Point((), now),)

        self._declare(Gauge(name, help, (), points, "gauge"))

    def gauges(self, name: str, help: str, labels: Sequence[str], values: Callable[[], Mapping[Labels, float]]) -> None:
        """Declare a gauge with labels; `values` maps label values to numbers and is asked at each scrape."""
        self._declare(Gauge(name, help, labels, lambda: [Point(at, n) for at, n in values().items()], "gauge"))

    def tally(self, name: str, help: str, value: Callable[[], float]) -> None:
        """Declare a counter that somebody else counts; `value` is asked at each scrape."""
        if not name.endswith("_total"):
            raise TelemetryError(f"metric {name}: a counter's name ends in _total")
        self._declare(Gauge(name, help, (), lambda: (Point((), value()),), "counter"))

    def requests(self, method: str, route: str) -> RequestMeter:
        """Return the meter of a method and a route *template* (`unmatched` for what matched none).

        Unknown methods share one: a label must not be a caller's to invent.
        """
        return self._requests.bind(method, route)

    def collect(self) -> list[Family]:
        """Read everything. A gauge that raises is left out and counted: a scrape shows what can be shown."""
        families = []
        for metric in list(self._metrics.values()):
            try:
                families.append(metric.read())
            except Exception:
                self._failed[metric.name] = self._failed.get(metric.name, 0) + 1
        return [*families, self._requests.durations(), self._failures()]

    def _failures(self) -> Family:
        points = [Point((name,), times) for name, times in self._failed.items()]
        return Family(_FAILURES, "Metrics that could not be read by a scrape.", "counter", ("metric",), points)

    def _declare(self, metric: _Metric) -> None:
        if metric.name in self._metrics or metric.name in (_DURATIONS, _FAILURES):
            raise TelemetryError(f"metric {metric.name}: declared twice; declare once and hand the value on")
        self._metrics[metric.name] = metric
