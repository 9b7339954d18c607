"""The platform's own metrics, declared in one place so that a name is spelled once and a dashboard can rely on it.

The engine counts in the fields; roles that own a number (the log's head, a projection's checkpoint) hand in a callable
that is asked when somebody looks.
"""

from collections.abc import Callable, Mapping

from msgspec import Struct

from armature.engine.meters import Labels
from armature.engine.telemetry import Counter, Histogram, Telemetry

__all__ = ["Instruments", "ProjectionState"]


class ProjectionState(Struct, frozen=True):
    """How far a projection is. `lag_seconds` is the age of the oldest event it has not applied; 0 when it has all."""

    position: int
    lag_seconds: float
    parked_streams: int


class Instruments:
    """Cells and counters of the engine. `operation` is an operation's name, `projection` a projection's."""

    def __init__(self, telemetry: Telemetry) -> None:
        counter = telemetry.counter
        self._telemetry = telemetry
        self.reruns = counter("armature_command_reruns_total", "Commands run again after a conflict.", ("operation",))
        self.limited = counter("armature_limited_total", "Calls refused by a rate limit.", ("operation",))
        self.exchanges = counter(
            "armature_neighbour_exchanges_total",
            "Messages to modules in other processes, by how they ended.",
            ("module", "ended"),
        )

    def count_grpc(self) -> tuple[Counter, Histogram]:
        """Show what was asked over gRPC, by service, method and how it ended; declared where role grpc is played."""
        counter = self._telemetry.counter("grpc_requests_total", "Calls over gRPC that ended.", ("service", "method", "code"))
        help = "Time from the arrival of a call over gRPC to its end; of a feed, as long as it was followed."
        labels = ("service", "method")
        return counter, self._telemetry.histogram("grpc_request_duration_seconds", help, labels=labels)

    def watch_commits(self, commits: Callable[[], float], batches: Callable[[], float]) -> None:
        """Show how many units were committed and in how many transactions; their ratio is what group commit saves."""
        self._telemetry.tally("armature_commits_total", "Units of work committed.", commits)
        self._telemetry.tally("armature_commit_batches_total", "Transactions that carried units.", batches)

    def watch_calls(self, overloaded: Callable[[], float], replays: Callable[[], float], expired: Callable[[], float]) -> None:
        """Show what the pipeline refused, gave again and ended."""
        self._telemetry.tally("armature_overload_refused_total", "Calls refused for want of capacity.", overloaded)
        self._telemetry.tally("armature_idempotent_replays_total", "Answers given again by key.", replays)
        self._telemetry.tally("armature_calls_expired_total", "Calls ended by their deadline or a client that left.", expired)

    def watch_log(self, head: Callable[[], float | None]) -> None:
        """Show the log's newest position; `head` gives None while it is not known."""
        self._telemetry.gauge("armature_log_head", "Newest position of the log.", head)

    def watch_projections(self, states: Callable[[], Mapping[str, ProjectionState]]) -> None:
        """Show each projection by name. `states` is called by a scrape: it hands out what is known, reads no database."""

        def of(field: str) -> Callable[[], Mapping[Labels, float]]:
            return lambda: {(name,): float(getattr(state, field)) for name, state in states().items()}

        for field, help in (
            ("position", "Newest position a projection has applied."),
            ("lag_seconds", "Age of the oldest event a projection has not applied."),
            ("parked_streams", "Streams a projection has set aside because an event of theirs failed."),
        ):
            self._telemetry.gauges(f"armature_projection_{field}", help, ("projection",), of(field))

    def watch_dependencies(self, up: Callable[[], Mapping[Labels, float]]) -> None:
        """Show of each server the process depends on whether it answered last time."""
        help = "1 while a server that the process depends on answers, 0 while it is away."
        self._telemetry.gauges("armature_dependency_up", help, ("dependency",), up)

    def watch_certificates(self, days_left: Callable[[], Mapping[Labels, float]]) -> None:
        """Show for how long the certificates that the process shows are good, by the door they are shown at."""
        help = "Days until a certificate that the process shows has ended; below 0 it is over."
        self._telemetry.gauges("armature_certificate_days", help, ("door",), days_left)

    def watch_dropped_spans(self, dropped: Callable[[], float]) -> None:
        """Show how many spans never reached the collector."""
        self._telemetry.tally("armature_spans_dropped_total", "Spans that never reached the collector.", dropped)

    def watch_room(self, waiting: Callable[[], float]) -> None:
        """Show how many events of the log are not at the broker."""
        self._telemetry.gauge("armature_delivery_backlog", "Events that wait for the broker.", waiting)
