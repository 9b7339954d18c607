"""A trace is one story from the request to the projection, and telling it never stops the work it tells of."""

import logging
import random
import socket
import sys
import threading

import pytest

from armature.adapters.otlp.extra import open_sink
from armature.adapters.otlp.trace import OtlpSpanSink
from armature.engine.trace import UNTRACED, Tracer, format_traceparent, parse_traceparent, trace_id_of
from armature.ports.trace import Span, TraceError
from tests.telemetry.collector import collecting, wait_for

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
SAMPLED = f"00-{TRACE}-{PARENT}-01"


class Kept:
    """A sink that keeps what it is offered."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.dropped = 0

    def offer(self, span: Span) -> None:
        self.spans.append(span)

    def close(self, seconds: float) -> bool:
        return True


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def test_request_commit_and_projection_reach_the_collector_as_one_trace() -> None:
    with collecting() as collector:
        sink = open_sink(collector.address + "/", {"service.name": "orders"})
        assert sink is not None
        tracer = Tracer(sink)
        request, trace = tracer.enter("POST /v1/counters", None)
        commit = tracer.start("commit", trace)
        assert request and commit
        commit.attributes["batch_units"] = 7
        stored = commit.traceparent
        commit.end()
        request.fail("counter:name_taken")
        request.end()
        projection = tracer.start("project counter.history", stored, "consumer")
        assert projection
        projection.links.append(parse_traceparent(SAMPLED))
        projection.end()
        assert tracer.close(20) and sink.dropped == 0
        spans = collector.spans
    one, two, three = spans["POST /v1/counters"], spans["commit"], spans["project counter.history"]
    assert collector.paths == ["/v1/traces"]
    assert {span.trace_id.hex() for span in spans.values()} == {trace_id_of(trace)}
    assert (one.parent_span_id, two.parent_span_id, three.parent_span_id) == (b"", one.span_id, two.span_id)
    assert (one.kind, two.kind, three.kind) == (2, 1, 5)
    assert one.status.code == 2 and one.status.message == "counter:name_taken" and two.status.code == 0
    assert two.attributes[0].key == "batch_units" and two.attributes[0].value.int_value == 7
    assert three.links[0].trace_id.hex() == TRACE
    assert one.start_time_unix_nano <= two.start_time_unix_nano < two.end_time_unix_nano <= one.end_time_unix_nano
    resource = collector.requests[0].resource_spans[0].resource
    assert [(a.key, a.value.string_value) for a in resource.attributes] == [("service.name", "orders")]


def test_a_callers_trace_is_joined_and_its_decision_kept() -> None:
    tracer = Tracer(Kept(), ratio=0)
    span, trace = tracer.enter("GET /", SAMPLED)
    assert span and span.trace_id == TRACE and span.parent_id == PARENT and span.remote
    assert trace == span.traceparent != SAMPLED
    unsampled = f"00-{TRACE}-{PARENT}-00"
    assert Tracer(Kept(), ratio=1).enter("GET /", unsampled) == (None, unsampled)
    assert tracer.start("commit", unsampled) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00",
        f"00-{TRACE}-{PARENT}",
        f"00-{TRACE}-{PARENT}-1",
        f"00-{TRACE}-{PARENT}-01-extra",
        f"00-{TRACE}-{PARENT}-01 ",
        f"00-{TRACE}-{PARENT}-01\n",
        f"00-{TRACE}-{PARENT}-0g",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[1:]}-{PARENT}-01",
        f"ff-{TRACE}-{PARENT}-01",
        f"0-{TRACE}-{PARENT}-01",
        f"cc-{TRACE}-{PARENT}-01.later",
        f"cc-{TRACE}-{PARENT}-01-{'x' * 600}",
        f"00_{TRACE}_{PARENT}_01",
        "00-" + "１" * 32 + f"-{PARENT}-01",
    ],
)
def test_a_malformed_traceparent_begins_a_new_trace(text: str) -> None:
    assert parse_traceparent(text) is None
    span, trace = Tracer(Kept()).enter("GET /", text)
    assert span and not span.parent_id and not span.remote
    assert parse_traceparent(trace) and trace_id_of(trace) != TRACE
    assert UNTRACED.enter("GET /", text) == (None, None)


def test_a_later_version_is_read_as_far_as_it_is_known() -> None:
    later = parse_traceparent(f"cc-{TRACE}-{PARENT}-03-what-comes-later")
    assert later and later.sampled and format_traceparent(later) == SAMPLED


def test_ids_repeat_neither_for_a_seeded_program_nor_between_traces() -> None:
    traces = []
    for _ in range(500):
        random.seed(1)
        traces.append(Tracer(Kept()).enter("GET /", None)[1])
    assert len(set(traces)) == 500 and all(parse_traceparent(trace) for trace in traces)


def test_dice_that_show_only_zeros_still_give_a_valid_trace() -> None:
    assert parse_traceparent(Tracer(Kept(), bits=lambda _: 0).enter("GET /", None)[1])


def sampled(ids: list[int]) -> list[bool]:
    rolls = iter([number << 64 for number in ids])
    tracer = Tracer(Kept(), ratio=0.25, bits=lambda _: next(rolls))
    return [tracer.enter("GET /", None)[0] is not None for _ in ids]


def test_a_ratio_samples_that_share_and_every_process_the_same_traces() -> None:
    numbers = random.Random(7)
    ids = [numbers.getrandbits(128) for _ in range(4_000)]
    chosen = [sampled(ids), sampled(ids)]
    assert chosen[0] == chosen[1]
    assert 850 < sum(chosen[0]) < 1_150
    assert Tracer(Kept(), ratio=1, bits=lambda n: 2**n - 1).enter("GET /", None)[0], "ratio 1 takes the last id too"
    none, trace = Tracer(Kept(), ratio=0, bits=lambda _: 1).enter("GET /", None)
    assert none is None and trace and trace.endswith("-00"), "neighbours are told not to trace either"


def test_without_a_collector_nothing_begins_and_a_callers_trace_is_passed_on() -> None:
    assert UNTRACED.enter("GET /", None) == (None, None)
    assert UNTRACED.enter("GET /", SAMPLED) == (None, SAMPLED)
    assert UNTRACED.start("commit", SAMPLED) is None
    assert not UNTRACED.enabled and UNTRACED.close(0)
    assert open_sink(None, {}) is None


def test_a_span_ends_once() -> None:
    sink = Kept()
    span, _ = Tracer(sink).enter("GET /", None)
    assert span
    span.end()
    ended = span.end_ns
    span.end()
    assert sink.spans == [span] and span.end_ns == ended > span.start_ns


def test_a_dead_collector_costs_its_spans_is_counted_and_complained_of_once(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        sink = OtlpSpanSink(f"http://127.0.0.1:{unused.getsockname()[1]}", {}, linger_seconds=0.001, timeout_seconds=0.05)
        tracer = Tracer(sink)
        with caplog.at_level(logging.DEBUG):
            for done in range(1, 4):
                span, _ = tracer.enter("GET /", None)
                assert span
                span.end()
                wait_for(lambda done=done: sink.dropped == done, f"{done} spans dropped")
            assert sink.close(20), "nothing was held any more, so closing gave nothing up"
    said = [record for record in caplog.records if not record.name.startswith("urllib3")]
    assert [record.name for record in said] == ["armature.trace"]


def test_a_collector_that_hangs_fills_the_queue_and_not_the_requests() -> None:
    with collecting() as collector:
        collector.hold = threading.Event()
        sink = OtlpSpanSink(collector.address, {}, linger_seconds=0.001, queue_spans_max=10)
        tracer = Tracer(sink)
        first, _ = tracer.enter("first", None)
        assert first
        first.end()
        wait_for(lambda: collector.paths, "the first batch on its way")
        for number in range(25):
            span, _ = tracer.enter(f"span {number}", None)
            assert span
            span.end()
        assert sink.dropped == 15
        assert sink.close(0.01) is False, "what is held cannot be sent in time"
        collector.hold.set()
        late, _ = tracer.enter("late", None)
        assert late
        late.end()
        assert sink.dropped >= 16 and sink.close(0.01)


def test_a_collector_that_refuses_is_counted() -> None:
    with collecting() as collector:
        collector.status = 400
        sink = OtlpSpanSink(collector.address, {}, linger_seconds=60)
        span, _ = Tracer(sink).enter("GET /", None)
        assert span
        span.end()
        assert sink.close(20) is False and sink.dropped == 1


def test_an_endpoint_without_the_extra_is_answered_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "armature.adapters.otlp.trace")
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(TraceError, match=r"observe\.otlp_endpoint .* pip install 'armature\[otel\]'"):
        open_sink("http://localhost:4318", {})


@pytest.mark.parametrize("endpoint", ["", "localhost:4318", "grpc://collector:4317", "http://", "http://x:port", "http://["])
def test_an_endpoint_that_is_no_address_is_refused_with_an_example(endpoint: str) -> None:
    with pytest.raises(TraceError, match="http://localhost:4318"):
        open_sink(endpoint, {})
