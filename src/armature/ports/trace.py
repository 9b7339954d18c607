"""Where finished spans go, and what a span is.

A span is written by the engine and read by whoever exports it. The port has two verbs, and its laws are about staying out of
the way:

- `offer` never blocks, never raises and never waits for a network: what does not fit is dropped and counted in `dropped`.
- `offer` may be called from any thread, and after `close` (then it drops).
- `close` sends what it holds, for at most the seconds it is given; a second call does nothing.
"""

from typing import Literal, Protocol

from msgspec import Struct

SpanKind = Literal["internal", "server", "client", "producer", "consumer"]
AttributeValue = str | int | float | bool


class TraceError(Exception):
    """Tracing is asked for in a way that cannot work here: the message says what, where and the cure."""


class TraceContext(Struct, frozen=True, gc=False):
    """Where in which trace a call stands. `span_id` is empty at the root: a decision was made, no span has begun.

    `sampled` is decided once, where the trace begins, and holds for everything that follows.
    """

    trace_id: str
    """32 lower-case hex digits."""
    span_id: str
    """16 lower-case hex digits, or empty."""
    sampled: bool
    remote: bool = False
    """It came from another process."""


class Span:
    """One timed piece of work. Started by a tracer; `end` hands it to the sink, once."""

    __slots__ = (
        "_sink",
        "_started",
        "attributes",
        "end_ns",
        "error",
        "kind",
        "links",
        "name",
        "parent",
        "span_id",
        "start_ns",
        "trace_id",
    )

    def __init__(self, name: str, kind: SpanKind, span_id: str, parent: TraceContext, sink: "SpanSink") -> None:
        self.name = name
        self.kind = kind
        self.trace_id = parent.trace_id
        self.span_id = span_id
        self.parent = parent
        self.start_ns = 0
        self.end_ns = 0
        self.error: str | None = None
        self.attributes: dict[str, AttributeValue] = {}
        self.links: list[TraceContext] = []
        self._started = 0
        self._sink = sink

    @property
    def context(self) -> TraceContext:
        """What children, outbound calls and outbox rows are given."""
        return TraceContext(self.trace_id, self.span_id, True)

    def begin(self, wall_ns: int, steady_ns: int) -> None:
        """Note the start: when it was, and where the steady clock stood (a wall clock may be set back meanwhile)."""
        self.start_ns, self._started = wall_ns, steady_ns

    def finish(self, steady_ns: int) -> None:
        """Hand the span to its sink; a second call does nothing."""
        if self.end_ns:
            return
        self.end_ns = self.start_ns + max(steady_ns - self._started, 1)
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
