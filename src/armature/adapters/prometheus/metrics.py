"""Metrics as Prometheus reads them.

The platform counts in its own cells, because prometheus_client's cost 3 µs a request; the client is used for what it is
best at: the text format, its escaping, OpenMetrics, and the numbers of the process. A registry of our own: the client's
global one is shared with whatever else lives in the process.
"""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, choose_encoder, generate_latest
from prometheus_client.registry import Collector

from armature.engine.meters import Family
from armature.engine.telemetry import Telemetry

__all__ = ["Exposition", "TelemetryCollector"]


class TelemetryCollector(Collector):
    """Hands the families of a `Telemetry` to a registry of prometheus_client."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    def describe(self) -> list[Metric]:
        """Say nothing: without this, registering would read every gauge once, before the roles behind them run."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Read all metrics now."""
        return (_metric(family) for family in self._telemetry.collect())


class Exposition:
    """The body of `/metrics`.

    `render` takes some milliseconds with many routes (bench/telemetry.py): call it through a thread, cells may be
    read from any.
    """

    def __init__(self, telemetry: Telemetry, *, process: bool = True) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(TelemetryCollector(telemetry))
        if process:
            ProcessCollector(registry=self._registry)
            PlatformCollector(registry=self._registry)
            GCCollector(registry=self._registry)

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """Return the body and its content type: OpenMetrics if `accept` asks for it, else Prometheus text."""
        try:
            encode, content_type = choose_encoder(accept)
        except (ValueError, TypeError):  # a version that is no version, sent by who knows whom
            encode, content_type = generate_latest, CONTENT_TYPE_PLAIN_0_0_4
        return encode(self._registry), content_type


def _metric(family: Family) -> Metric:
    if family.kind == "histogram":
        histogram = HistogramMetricFamily(family.name, family.help, labels=family.labels)
        names = [*(repr(float(bound)) for bound in family.bounds), "+Inf"]
        for point in family.points:
            histogram.add_metric(point.labels, list(zip(names, point.buckets, strict=True)), point.value)
        return histogram
    make = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    metric = make(family.name, family.help, labels=family.labels)
    for point in family.points:
        metric.add_metric(point.labels, point.value)
    return metric
