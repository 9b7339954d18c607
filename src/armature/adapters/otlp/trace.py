"""Spans to an OpenTelemetry collector, by OTLP over HTTP.

A thread of its own sends them in batches. The queue between is bounded: when the collector is slow or gone, spans are dropped and
counted, and no request notices. The SDK's own batch processor is not used because it counts no drops and logs each of them.
"""

import logging
import threading
from collections import deque
from collections.abc import Mapping
from time import monotonic

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from armature.ports.trace import Span

__all__ = ["OtlpSpanSink"]

# Ten batches: a collector that restarts within seconds loses nothing at 1 000 spans a second.
QUEUE_SPANS_MAX = 5_120
BATCH_SPANS = 512
COMPLAINT_SECONDS = 60.0

_KINDS = {kind.name.lower(): kind for kind in SpanKind}
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_SCOPE = InstrumentationScope("armature")
_log = logging.getLogger("armature.trace")


class OtlpSpanSink:
    """A `SpanSink` that sends to `<endpoint>/v1/traces`.

    `linger_seconds` is how long a span may wait for company, `timeout_seconds` how long one batch is tried. Headers (a
    token of the collector) come from OTEL_EXPORTER_OTLP_HEADERS, as every OTLP exporter has it.
    """

    def __init__(
        self,
        endpoint: str,
        resource: Mapping[str, str],
        *,
        linger_seconds: float = 1.0,
        timeout_seconds: float = 5.0,
        queue_spans_max: int = QUEUE_SPANS_MAX,
    ) -> None:
        self._exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=timeout_seconds)
        self._resource = Resource(dict(resource))
        self._linger_seconds = linger_seconds
        self._queue_spans_max = queue_spans_max
        self._queue: deque[Span] = deque()
        self._wake = threading.Event()
        self._closed = False
        # Two counts, because two threads write: the offering ones under the lock, the sending one alone.
        self._refused = 0
        self._refusing = threading.Lock()
        self._lost = 0
        self._complain_at = 0.0
        _silence_vendor()
        self._thread = threading.Thread(target=self._run, name="armature-otlp", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Spans refused for want of room, and spans the collector did not take."""
        return self._refused + self._lost

    def offer(self, span: Span) -> None:
        """Queue a span, or count it as dropped."""
        if self._closed or len(self._queue) >= self._queue_spans_max:
            with self._refusing:
                self._refused += 1
            return
        self._queue.append(span)
        if len(self._queue) >= BATCH_SPANS:
            self._wake.set()

    def close(self, seconds: float) -> bool:
        """Send what is queued within `seconds`; what is left is dropped and counted."""
        if self._closed:
            return True
        self._closed = True
        lost = self.dropped
        self._wake.set()
        self._thread.join(seconds)
        in_time = not self._thread.is_alive()
        self._exporter.shutdown()  # type: ignore[no-untyped-call]  # the vendor's method has no types
        return in_time and self.dropped == lost

    def _run(self) -> None:
        while not self._closed:
            self._wake.wait(self._linger_seconds)
            self._wake.clear()
            self._drain()
        self._drain()

    def _drain(self) -> None:
        while self._queue:
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), BATCH_SPANS))]
            reason = self._send(batch)
            if reason:
                self._lost += len(batch)
                self._complain(reason)

    def _send(self, batch: list[Span]) -> str:
        """Send one batch; an empty string, or why it failed."""
        try:
            result = self._exporter.export([_readable(span, self._resource) for span in batch])
        except Exception as error:  # whatever it is, it is not worth a thread
            return repr(error)
        return "" if result is SpanExportResult.SUCCESS else "the collector did not take them"

    def _complain(self, reason: str) -> None:
        now = monotonic()
        if now >= self._complain_at:
            self._complain_at = now + COMPLAINT_SECONDS
            _log.warning("spans are being dropped: %s", reason, extra={"dropped": self.dropped})


def _silence_vendor() -> None:
    # The exporter logs each failed attempt of each batch; ours says it once a minute, with a count.
    logging.getLogger("opentelemetry.exporter.otlp").setLevel(logging.CRITICAL + 1)


def _context(trace_id: str, span_id: str, remote: bool) -> SpanContext:
    return SpanContext(int(trace_id, 16), int(span_id, 16), remote, _SAMPLED)


def _readable(span: Span, resource: Resource) -> ReadableSpan:
    return ReadableSpan(
        span.name,
        context=_context(span.trace_id, span.span_id, False),
        parent=_context(span.trace_id, span.parent_id, span.remote) if span.parent_id else None,
        resource=resource,
        attributes=span.attributes,
        links=[Link(_context(link.trace_id, link.span_id, True)) for link in span.links],
        kind=_KINDS[span.kind],
        instrumentation_scope=_SCOPE,
        status=Status(StatusCode.ERROR, span.error) if span.error is not None else Status(),
        start_time=span.start_ns,
        end_time=span.end_ns,
    )
