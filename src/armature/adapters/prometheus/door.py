"""The door to Prometheus' text format: opened when somebody asks for `/metrics` the first time, so that no start waits for it."""

from collections.abc import Callable
from importlib import import_module

from armature.engine.telemetry import Telemetry

__all__ = ["exposition"]

Render = Callable[[str], tuple[bytes, str]]


def exposition(telemetry: Telemetry) -> Render:
    """Return what renders the metrics for an Accept header: body and content type. It may take a moment, once."""
    made: list[Render] = []

    def render(accept: str) -> tuple[bytes, str]:
        if not made:
            made.append(import_module("armature.adapters.prometheus.metrics").Exposition(telemetry).render)
        return made[0](accept)

    return render
