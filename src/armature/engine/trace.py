"""Which calls are traced, and how a trace is carried from a request through its commit to a projection.

What travels is always the W3C traceparent as text: `ctx.trace`, the header of an outbound call and the `trace` column of the
outbox hold the same thing. Whether a trace is sampled is decided once, where it begins, and read from its flags ever after.
Without a collector nothing begins here, and a caller's traceparent is passed on untouched.

    span, trace = tracer.enter("POST /v1/counters", header)     # the edge; `trace` goes into the context
    span = tracer.start("commit", ctx.trace)                    # below; None when this call is not traced
    if span is not None:
        row_trace = span.traceparent                            # the projector starts its span with it, maybe tomorrow
        span.end()

Source: W3C Trace Context, https://www.w3.org/TR/trace-context/ (level 1, and how to read later versions).
"""

import os
import re
from collections.abc import Callable
from random import Random

from armature.ports.trace import Span, SpanKind, SpanSink, TraceParent

__all__ = ["UNTRACED", "Tracer", "format_traceparent", "parse_traceparent", "trace_id_of"]

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_NO_TRACE = "0" * 32
_NO_SPAN = "0" * 16
_NEVER_ZERO = 1 << 64 | 1
_LOW_64 = 2**64 - 1

# Not the module's own generator: a program that seeds that one for its tests would repeat trace ids.
_dice = Random()
os.register_at_fork(after_in_child=_dice.seed)


def parse_traceparent(text: str | None) -> TraceParent | None:
    """Read a traceparent; None for anything the standard refuses, so that a new trace begins."""
    # 512 is more than any version we know will need, and keeps a hostile header cheap.
    found = _TRACEPARENT.fullmatch(text) if text and len(text) <= 512 else None
    if found is None:
        return None
    version, trace_id, span_id, flags, rest = found.groups()
    if version == "ff" or (version == "00" and rest) or trace_id == _NO_TRACE or span_id == _NO_SPAN:
        return None
    return TraceParent(trace_id, span_id, bool(int(flags, 16) & 1))


def format_traceparent(parent: TraceParent) -> str:
    """Write a traceparent, version 00."""
    return f"00-{parent.trace_id}-{parent.span_id}-{'01' if parent.sampled else '00'}"


def trace_id_of(traceparent: str | None) -> str | None:
    """Return the trace id of a traceparent that was validated at the door, for problem bodies and log lines."""
    return traceparent[3:35] if traceparent else None


class Tracer:
    """Starts spans. Without a sink it is off and costs a comparison.

    `ratio` of the traces that begin here are sampled, chosen by trace id, so that every process chooses the same ones; a trace
    that comes in keeps the decision it carries.
    """

    def __init__(
        self, sink: SpanSink | None = None, *, ratio: float = 1.0, bits: Callable[[int], int] = _dice.getrandbits
    ) -> None:
        self._sink = sink
        self._bits = bits
        self._sampled_below = round(ratio * 2**64)
        self.enabled = sink is not None

    def enter(self, name: str, traceparent: str | None, kind: SpanKind = "server") -> tuple[Span | None, str | None]:
        """Begin or join a trace: the span to end (None if not sampled), and the traceparent of all that follows."""
        sink = self._sink
        if sink is None and not traceparent:
            return None, None
        parent = parse_traceparent(traceparent)
        if sink is None:
            return None, format_traceparent(parent) if parent else None
        if parent is None:
            return self._root(sink, name, kind)
        if not parent.sampled:
            return None, format_traceparent(parent)
        span = self._child(sink, name, parent, kind)
        span.remote = True
        return span, span.traceparent

    def start(self, name: str, traceparent: str | None, kind: SpanKind = "internal") -> Span | None:
        """Start a child of what `enter` or another span gave; None when there is nothing to trace."""
        if self._sink is None or not traceparent or (len(traceparent) == 55 and traceparent.endswith("00")):
            return None  # the flags of version 00 are its last two digits: an unsampled call pays for no parsing
        parent = parse_traceparent(traceparent)
        if parent is None or not parent.sampled:
            return None
        return self._child(self._sink, name, parent, kind)

    def close(self, seconds: float) -> bool:
        """Send what is held, for at most so long; False if something was given up."""
        return self._sink is None or self._sink.close(seconds)

    def _root(self, sink: SpanSink, name: str, kind: SpanKind) -> tuple[Span | None, str]:
        # One roll for both ids; the fixed bits keep either from being all zero.
        roll = self._bits(192) | _NEVER_ZERO
        ids = f"{roll:048x}"
        if (roll >> 64) & _LOW_64 >= self._sampled_below:
            return None, f"00-{ids[:32]}-{ids[32:]}-00"
        span = Span(sink, name, ids[:32], ids[32:])
        span.kind = kind
        return span, span.traceparent

    def _child(self, sink: SpanSink, name: str, parent: TraceParent, kind: SpanKind) -> Span:
        span = Span(sink, name, parent.trace_id, f"{self._bits(64) or 1:016x}")
        span.parent_id = parent.span_id
        span.kind = kind
        return span


UNTRACED = Tracer()
