"""What telemetry costs a request, in microseconds: run by hand, `python -m bench.telemetry`.

The budget of metrics, span decision and log decision together is one microsecond for a request that nobody traces. A loop that
does nothing is measured beside it and taken off; medians of seven runs.
"""

import io
import logging
from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Literal

import structlog

from armature.adapters.prometheus.metrics import Exposition
from armature.adapters.structlog.logs import configure_logs
from armature.engine.log import CALL, AccessLog, CallFields
from armature.engine.meters import RequestMeter
from armature.engine.policies import ObservePolicy
from armature.engine.telemetry import Telemetry
from armature.engine.trace import Tracer
from armature.ports.trace import Span

HEADER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
ROUNDS = 7


class Discard:
    """A sink that takes everything and keeps nothing."""

    dropped = 0

    def offer(self, span: Span) -> None:
        """Forget the span."""

    def close(self, seconds: float) -> bool:
        """Say that nothing is held."""
        return True


def micros(work: Callable[[], object], times: int = 100_000) -> float:
    """Return the median cost of one call, without the loop and the call itself."""

    def run(what: Callable[[], object]) -> float:
        began = perf_counter()
        for _ in range(times):
            what()
        return (perf_counter() - began) / times * 1e6

    return median(run(work) - run(lambda: None) for _ in range(ROUNDS))


def request(tracer: Tracer, meter: RequestMeter, access: AccessLog, header: str | None) -> Callable[[], None]:
    """Return what an edge does for one request besides the request."""

    def serve() -> None:
        began = perf_counter()
        span, trace = tracer.enter("GET /v1/counters/{counter_id}", header)
        CALL.set(CallFields(request_id="r", trace_id=trace, tenant="t", actor="a", operation="counter.get").read)
        status = 200
        meter.observe(status, perf_counter() - began)
        if span is not None:
            span.attributes["http.response.status_code"] = status
            span.end()
        if status >= access.threshold and access.wants():
            pass

    return serve


def lines(log_format: Literal["json", "text"]) -> list[tuple[str, float]]:
    """Return what one written line costs, by either kind of logger."""
    configure_logs(ObservePolicy(log_format=log_format), io.StringIO())
    log, library = structlog.get_logger().bind(logger="armature.http"), logging.getLogger("armature.http")
    fields = {"method": "GET", "route": "/v1/counters/{counter_id}", "status": 404, "ms": 1.25}
    return [
        (f"line, {log_format}, structlog", micros(lambda: log.info("request", **fields), 3_000)),
        (f"line, {log_format}, logging", micros(lambda: library.info("request", extra=fields), 3_000)),
    ]


def main() -> None:
    """Print one figure a line."""
    telemetry = Telemetry()
    meter, access = telemetry.requests("GET", "/v1/counters/{counter_id}"), AccessLog("errors")
    off, on = Tracer(), Tracer(Discard())
    cell = telemetry.counter("steps_total", "Steps.").bind()
    figures: list[tuple[str, float]] = [
        ("meter.observe", micros(lambda: meter.observe(200, 0.003))),
        ("cell.add", micros(cell.add)),
        ("span decision, tracing off", micros(lambda: off.enter("GET", None))),
        ("span decision, on, ratio 0", micros(lambda: Tracer.enter(RARE, "GET", None))),
        ("child of an unsampled trace", micros(lambda: on.start("commit", HEADER[:-1] + "0"))),
        ("log decision", micros(lambda: access.threshold <= 200 and access.wants())),
        ("call fields set", micros(lambda: CALL.set(CallFields(request_id="r", tenant="t").read))),
        ("= request, tracing off", micros(request(off, meter, access, None))),
        ("= request, tracing on, not sampled", micros(request(RARE, meter, access, None))),
        ("= request, sampled, header sent", micros(request(on, meter, access, HEADER), 30_000)),
    ]
    figures += [figure for log_format in ("json", "text") for figure in lines(log_format)]
    for number in range(100):
        telemetry.requests("GET", f"/v1/route{number}").observe(200, 0.001)
    figures.append(("scrape, 100 routes", micros(Exposition(telemetry).render, 20)))
    for name, cost in figures:
        print(f"{name:36} {cost:10.2f} µs")


RARE = Tracer(Discard(), ratio=0)

if __name__ == "__main__":
    main()
