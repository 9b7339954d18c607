"""The platform's own metrics, declared in one place so that a name is spelled once and a dashboard can rely on it.

The engine counts in the fields; roles that own a number (the log's head, a projection's checkpoint) hand in a callable
that is asked when somebody looks.
"""

from collections.abc import Callable, Mapping

from msgspec import Struct

from armature.engine.meters import Labels
from armature.engine.telemetry import Telemetry

__all__ = ["Instruments", "ProjectionState"]

# Units a group commit carried: doubling bounds up to four times the default batch.
BATCH_UNITS = tuple(float(2**n) for n in range(11))


class ProjectionState(Struct, frozen=True):
    """How far a projection is. `lag_seconds` is the age of the oldest event it has not applied; 0 when it has all."""

    position: int
    lag_seconds: float
    parked_streams: int


class Instruments:
    """Cells and counters of the engine. `operation` is an operation's name, `projection` a projection's."""

    def __init__(self, telemetry: Telemetry) -> None:
        counter, histogram = telemetry.counter, telemetry.histogram
        self._telemetry = telemetry
        self.commits = counter("armature_commits_total", "Units of work committed.").bind()
        self.batch_units = histogram("armature_commit_batch_units", "Units of work that shared one commit.", BATCH_UNITS).bind()
        self.overload_refused = counter("armature_overload_refused_total", "Calls refused for want of capacity.").bind()
        self.idempotent_replays = counter("armature_idempotent_replays_total", "Answers given again by key.").bind()
        self.reruns = counter("armature_command_reruns_total", "Commands run again after a conflict.", ("operation",))
        self.limited = counter("armature_limited_total", "Calls refused by a rate limit.", ("operation",))

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

    def watch_dropped_spans(self, dropped: Callable[[], float]) -> None:
        """Show how many spans never reached the collector."""
        self._telemetry.tally("armature_spans_dropped_total", "Spans that never reached the collector.", dropped)
