"""Metrics say what happened, whoever writes and whoever asks, and a careless label is refused before the first call."""

import threading

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open
from prometheus_client.parser import text_string_to_metric_families as parse_text

from armature.adapters.prometheus.metrics import Exposition
from armature.engine.instruments import Instruments, ProjectionState
from armature.engine.telemetry import CELLS_MAX, Telemetry, TelemetryError


def scrape(telemetry: Telemetry) -> dict[tuple[str, frozenset], float]:
    body, _ = Exposition(telemetry, process=False).render()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parse_text(body.decode())
        for sample in family.samples
    }


def at(samples: dict, name: str, **labels: str) -> float | None:
    return samples.get((name, frozenset(labels.items())))


def test_a_request_is_counted_by_template_and_status_and_timed() -> None:
    telemetry = Telemetry()
    meter = telemetry.requests("GET", "/v1/counters/{counter_id}")
    meter.observe(200, 0.0005)
    meter.observe(200, 0.3)
    meter.observe(404, 60.0)
    route = {"method": "GET", "route": "/v1/counters/{counter_id}"}
    seen = scrape(telemetry)
    assert at(seen, "http_requests_total", **route, status="200") == 2
    assert at(seen, "http_requests_total", **route, status="404") == 1
    assert at(seen, "http_request_duration_seconds_bucket", **route, le="0.0005") == 1, "a bound is part of its bucket"
    assert at(seen, "http_request_duration_seconds_bucket", **route, le="0.5") == 2
    assert at(seen, "http_request_duration_seconds_bucket", **route, le="+Inf") == 3
    assert at(seen, "http_request_duration_seconds_count", **route) == 3
    assert at(seen, "http_request_duration_seconds_sum", **route) == pytest.approx(60.3005)


def test_a_caller_cannot_invent_labels() -> None:
    telemetry = Telemetry()
    for word in range(200):
        meter = telemetry.requests(f"BREW{word}", "unmatched")
        meter.observe(1000 + word, 0.1)
    seen = scrape(telemetry)
    assert at(seen, "http_requests_total", method="OTHER", route="unmatched", status="other") == 200
    assert len([name for name, _ in seen if name == "http_requests_total"]) == 1


def test_threads_that_bind_a_cell_each_lose_no_step() -> None:
    telemetry = Telemetry()
    counter = telemetry.counter("steps_total", "Steps.", ("who",))

    def walk() -> None:
        cell = counter.bind("all")
        for _ in range(20_000):
            cell.add()

    threads = [threading.Thread(target=walk) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert at(scrape(telemetry), "steps_total", who="all") == 80_000


def test_histograms_of_two_writers_are_added_bucket_by_bucket() -> None:
    telemetry = Telemetry()
    histogram = telemetry.histogram("sizes_rows", "Rows.", (1, 10))
    for cell, value in ((histogram.bind(), 1), (histogram.bind(), 5)):
        cell.observe(value)
    seen = scrape(telemetry)
    assert [at(seen, "sizes_rows_bucket", le=le) for le in ("1.0", "10.0", "+Inf")] == [1, 2, 2]
    assert at(seen, "sizes_rows_sum") == 6


def test_a_gauge_that_fails_hides_only_itself_and_is_counted() -> None:
    telemetry = Telemetry()
    telemetry.gauge("broken", "Raises.", lambda: 1 / 0)
    telemetry.gauge("unknown", "Is not known yet.", lambda: None)
    telemetry.gauge("whole", "Works.", lambda: 7)
    scrape(telemetry)
    seen = scrape(telemetry)
    assert at(seen, "whole") == 7
    assert at(seen, "broken") is None and at(seen, "unknown") is None
    assert at(seen, "armature_metric_failures_total", metric="broken") == 2


def test_the_platform_shows_its_log_and_its_projections() -> None:
    telemetry = Telemetry()
    instruments = Instruments(telemetry)
    states = {"counter.history": ProjectionState(position=9, lag_seconds=1.5, parked_streams=2)}
    instruments.watch_log(lambda: 12)
    instruments.watch_projections(lambda: states)
    instruments.watch_dropped_spans(lambda: 3)
    instruments.watch_commits(lambda: 5, lambda: 2)
    instruments.watch_calls(lambda: 0, lambda: 0, lambda: 1)
    instruments.reruns.bind("counter.increment").add()
    instruments.limited.bind("counter.reset").add(2)
    states["counter.totals"] = ProjectionState(position=12, lag_seconds=0, parked_streams=0)
    seen = scrape(telemetry)
    assert at(seen, "armature_log_head") == 12
    assert at(seen, "armature_projection_position", projection="counter.totals") == 12, "born after start-up"
    assert at(seen, "armature_projection_lag_seconds", projection="counter.history") == 1.5
    assert at(seen, "armature_projection_parked_streams", projection="counter.history") == 2
    assert at(seen, "armature_commits_total") == 5
    assert at(seen, "armature_commit_batches_total") == 2
    assert at(seen, "armature_calls_expired_total") == 1
    assert at(seen, "armature_command_reruns_total", operation="counter.increment") == 1
    assert at(seen, "armature_limited_total", operation="counter.reset") == 2
    assert at(seen, "armature_overload_refused_total") == 0, "zero is shown, so that a rate can be taken of the first one"
    assert at(seen, "armature_idempotent_replays_total") == 0
    assert at(seen, "armature_spans_dropped_total") == 3


def test_openmetrics_is_given_to_whom_asks_and_text_to_whom_asks_nonsense() -> None:
    telemetry = Telemetry()
    telemetry.counter("odd_total", 'A "help"\nwith a \\ in it.', ("name",)).bind('a"b\nc\\d').add()
    exposition = Exposition(telemetry)
    body, content_type = exposition.render("application/openmetrics-text; version=1.0.0, text/plain;q=0.5")
    assert content_type.startswith("application/openmetrics-text")
    samples = [sample for family in parse_open(body.decode()) for sample in family.samples]
    assert [sample.labels for sample in samples if sample.name == "odd_total"] == [{"name": 'a"b\nc\\d'}]
    assert any(sample.name == "process_cpu_seconds_total" for sample in samples)
    for nonsense in ("application/openmetrics-text; version=new", "text/plain; version=1.x", ";;=,,", "", "é"):
        assert exposition.render(nonsense)[1].startswith("text/plain; version=0.0.4")


@pytest.mark.parametrize(
    ("declare", "words"),
    [
        (lambda t: t.counter("steps", "No suffix."), "ends in _total"),
        (lambda t: t.tally("steps", "No suffix.", lambda: 0), "ends in _total"),
        (lambda t: t.counter("a-b_total", "Bad name."), "is no name"),
        (lambda t: t.counter("a_total", "Bad label.", ("tenant id",)), "is no name"),
        (lambda t: t.histogram("h_seconds", "Falls.", (2, 1)), "bounds"),
        (lambda t: t.histogram("h_seconds", "Empty.", ()), "bounds"),
        (lambda t: [t.gauge("twice", "Twice.", lambda: 1) for _ in range(2)], "declared twice"),
        (lambda t: t.gauge("http_request_duration_seconds", "Taken.", lambda: 1), "declared twice"),
        (lambda t: t.counter("c_total", "Labels.", ("a", "b")).bind("x"), "1 values for the labels"),
    ],
)
def test_a_metric_that_cannot_work_is_refused_with_words(declare, words: str) -> None:
    with pytest.raises(TelemetryError, match=words):
        declare(Telemetry())


def test_a_label_without_bound_is_refused_before_it_fills_the_memory() -> None:
    counter = Telemetry().counter("c_total", "By id.", ("id",))
    for number in range(CELLS_MAX):
        counter.bind(str(number))
    with pytest.raises(TelemetryError, match="keep ids and raw paths out of labels"):
        counter.bind("one more")
