"""What a span is, and where finished spans go.

The engine starts spans, an adapter exports them. The port has two verbs, and its laws are about staying out of the way:

1. `offer` never blocks, never raises and never waits for a network: what does not fit is dropped and counted.
2. `offer` may be called from any thread, and after `close` (then it drops).
3. `close` sends what is held, for at most the seconds it is given; a second call does nothing.
"""

from time import perf_counter_ns, time_ns
from typing import Literal, Protocol

from msgspec import Struct

__all__ = ["AttributeValue", "Span", "SpanKind", "SpanSink", "TraceError", "TraceParent"]

SpanKind = Literal["internal", "server", "client", "producer", "consumer"]
AttributeValue = str | int | float | bool


class TraceError(Exception):
    """Tracing is asked for in a way that cannot work here: the message says what, where and the cure."""


class TraceParent(Struct, frozen=True, gc=False):
    """The parts of a W3C traceparent: 32 and 16 lower-case hex digits, neither all zero."""

    trace_id: str
    span_id: str
    sampled: bool


class Span:
    """One timed piece of work. A tracer starts it; `end` hands it to the sink, once."""

    __slots__ = (
        "_began",
        "_sink",
        "attributes",
        "end_ns",
        "error",
        "kind",
        "links",
        "name",
        "parent_id",
        "remote",
        "span_id",
        "start_ns",
        "trace_id",
    )

    def __init__(self, sink: "SpanSink", name: str, trace_id: str, span_id: str) -> None:
        self._sink = sink
        self.name = name
        self.trace_id = trace_id
        self.span_id = span_id
        self.parent_id = ""
        self.remote = False
        self.kind: SpanKind = "internal"
        self.attributes: dict[str, AttributeValue] = {}
        self.links: list[TraceParent] = []
        self.error: str | None = None
        self.end_ns = 0
        # The start is told by the wall clock, the length by the steady one: a clock that is set back makes no span negative.
        self.start_ns = time_ns()
        self._began = perf_counter_ns()

    @property
    def traceparent(self) -> str:
        """What children, outbound calls and outbox rows are given."""
        return f"00-{self.trace_id}-{self.span_id}-01"

    def fail(self, reason: str) -> None:
        """Mark the work as failed; `reason` is a code (`counter:not_found`), not a message with data in it."""
        self.error = reason

    def end(self, at_ns: int = 0) -> None:
        """Stop the time and hand the span over; a second call does nothing.

        Who tells of work that is over already sets `start_ns` and gives its end, both by the wall clock.
        """
        if not self.end_ns:
            self.end_ns = max(at_ns, self.start_ns + 1) if at_ns else self.start_ns + max(perf_counter_ns() - self._began, 1)
            self._sink.offer(self)


class SpanSink(Protocol):
    """Takes finished spans; the laws are at the top of this file."""

    @property
    def dropped(self) -> int:
        """How many spans were offered and will never arrive."""
        ...

    def offer(self, span: Span) -> None:
        """Take a finished span, or drop and count it."""
        ...

    def close(self, seconds: float) -> bool:
        """Send what is held, then stop; False if something was given up."""
        ...
