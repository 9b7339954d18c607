"""The door to the OpenTelemetry extra: opened only when an endpoint is configured.

The SDK takes a tenth of a second to import and is not part of the base install, so nothing imports `trace.py` by name.
"""

from collections.abc import Mapping
from importlib import import_module
from urllib.parse import urlsplit

from armature.ports.trace import SpanSink, TraceError

__all__ = ["open_sink"]

_KEY = "policies: observe.otlp_endpoint"


def open_sink(endpoint: str | None, resource: Mapping[str, str]) -> SpanSink | None:
    """Return a sink that exports to `endpoint`, None without one; `resource` names the service (`service.name`)."""
    if endpoint is None:
        return None
    _check(endpoint)
    try:
        adapter = import_module("armature.adapters.otlp.trace")
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("opentelemetry"):
            raise
        cure = "install them with pip install 'armature[otel]', or remove the key"
        raise TraceError(f"{_KEY} is set, but the OpenTelemetry packages are not installed; {cure}") from error
    sink: SpanSink = adapter.OtlpSpanSink(endpoint, resource)
    return sink


def _check(endpoint: str) -> None:
    try:
        parts = urlsplit(endpoint)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and not (parts.query or parts.fragment)
        parts.port  # noqa: B018 (raises when it is no port)
    except ValueError:
        sound = False
    if not sound:
        raise TraceError(f"{_KEY}: {endpoint!r} is no address of a collector; give one like http://localhost:4318")
