"""docs/reference/metrics.md: what `/metrics` shows, declared once more by the code that declares it."""

from collections.abc import Iterator

from armature.engine.instruments import Instruments
from armature.engine.meters import Family
from armature.engine.telemetry import Telemetry

__all__ = ["families", "metrics_page"]

_HEAD = """# Metrics

<!-- Made by `python -m tests.docs.pages`; a test compares it with the code. -->

`/metrics` answers in Prometheus text, or in OpenMetrics if `Accept` asks for it. It is on the main port in development and on
`http.admin_port` in production. Labels are never a caller's to invent: a route is its template, an unknown path is `unmatched`,
what a mounted application or a module's own route answered is `beyond`.

The process's own numbers (`process_*`, `python_*`) come beside these.

"""

_LOOK = {
    "armature_command_reruns_total": "Grows: callers meet on the same rows. They are all served; the price is time.",
    "armature_overload_refused_total": "Grows: more is asked than can be finished in time; those callers got 503.",
    "armature_calls_expired_total": "Grows: deadlines are too short, or something is slow.",
    "armature_log_head": "Stands still while commands are answered: look at `/readyz`, which names a frozen head.",
    "armature_projection_lag_seconds": "Above `projections.lag_slo_seconds`: `/readyz` answers 503 and names the projection.",
    "armature_projection_parked_streams": "Above 0: `armature parked` says which and why, `armature parked retry` tries again.",
    "armature_delivery_backlog": "Grows: the broker is away or slow; at `delivery.backlog_max` new events are refused.",
    "armature_dependency_up": "0: that server is away; `/readyz` and the log say why. Cache and signals can be missed a while.",
    "armature_certificate_days": "Below 14: renew it where its authority is; `armature doctor` names the file. No restart.",
    "armature_metric_failures_total": "Above 0: a metric could not be read; the others still are.",
    "armature_spans_dropped_total": "Grows: the collector is away or slow. Requests never wait for it.",
    "armature_commit_batches_total": "Beside `armature_commits_total`: their ratio is how many commands share one fsync.",
}
"""What a number says when it moves; only where that is not plain."""


def families() -> list[Family]:
    """Return every metric of the platform, without points."""
    telemetry = Telemetry()
    instruments = Instruments(telemetry)
    instruments.watch_commits(float, float)
    instruments.count_grpc()
    instruments.watch_calls(float, float, float)
    instruments.watch_log(float)
    instruments.watch_projections(dict)
    instruments.watch_dependencies(dict)
    instruments.watch_certificates(dict)
    instruments.watch_dropped_spans(float)
    instruments.watch_room(float)
    return sorted(telemetry.collect(), key=lambda one: one.name)


def metrics_page() -> str:
    """Return the page."""
    return _HEAD + "\n".join(line for family in families() for line in _one(family))


def _one(family: Family) -> Iterator[str]:
    yield f"## {family.name}\n"
    yield f"{family.help}\n"
    labels = ", ".join(f"`{label}`" for label in family.labels) or "none"
    yield f"- {family.kind}; labels: {labels}"
    if family.bounds:
        yield "- buckets: " + ", ".join(f"{bound:g}" for bound in family.bounds)
    if family.name in _LOOK:
        yield f"- {_LOOK[family.name]}"
    yield ""
