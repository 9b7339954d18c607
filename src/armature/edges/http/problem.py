"""Failures as RFC 9457 problems. The one table from kinds to statuses stands here; below this edge nobody knows a status."""

import math
from datetime import UTC, datetime
from typing import Any

import msgspec

from armature.kernel.failure import Failure, Kind

__all__ = ["PROBLEM_JSON", "STATUS", "TITLES", "Problem", "problem", "retry_after", "status_of"]

PROBLEM_JSON = b"application/problem+json"

STATUS = {
    Kind.MALFORMED: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.CONFLICT: 409,
    Kind.ALREADY_EXISTS: 409,
    Kind.PRECONDITION: 412,
    Kind.INVALID: 422,
    Kind.TOO_MANY: 429,
    Kind.BUG: 500,
    Kind.UNAVAILABLE: 503,
    Kind.TIMEOUT: 504,
}

TITLES = {
    Kind.MALFORMED: "The request cannot be read",
    Kind.UNAUTHENTICATED: "Not signed in",
    Kind.FORBIDDEN: "Not allowed",
    Kind.NOT_FOUND: "Not found",
    Kind.CONFLICT: "Conflict",
    Kind.ALREADY_EXISTS: "Already exists",
    Kind.PRECONDITION: "Changed meanwhile",
    Kind.INVALID: "Not valid",
    Kind.TOO_MANY: "Too many requests",
    Kind.BUG: "A bug in the server",
    Kind.UNAVAILABLE: "Not available now",
    Kind.TIMEOUT: "Too late",
}

# HTTP has words of its own for what other edges call malformed or not found.
_STATUS_OF_CODE = {"request:method": 405, "request:too_large": 413, "request:media_type": 415}

_RESERVED = frozenset({"type", "title", "status", "detail", "instance", "code", "kind", "timestamp", "trace_id", "details"})


class Problem(msgspec.Struct, frozen=True):
    """A problem ready to be sent."""

    status: int
    body: bytes
    headers: list[tuple[bytes, bytes]]


def status_of(failure: type[Failure]) -> int:
    """Return the HTTP status of a failure."""
    return _STATUS_OF_CODE.get(failure.code, STATUS[failure.kind])


def problem(
    failure: Failure, *, instance: str, trace_id: str | None, details: str | None = None, at: datetime | None = None
) -> Problem:
    """Render a failure that happened `at` a time, now without one. `details` (internals) is given in development only."""
    kind = type(failure).kind
    code = status_of(type(failure))
    body: dict[str, Any] = {
        "type": f"urn:problem:{failure.code}",
        "title": TITLES[kind],
        "status": code,
        "detail": failure.detail(),
        "instance": instance,
        "code": failure.code,
        "kind": kind.value,
        "timestamp": at or datetime.now(UTC),
        "trace_id": trace_id,
    }
    body.update((name, value) for name, value in failure.values().items() if name not in _RESERVED)
    if details is not None:
        body["details"] = details
    return Problem(code, msgspec.json.encode(body), _headers(failure))


def retry_after(seconds: float) -> bytes:
    """Return whole seconds, never too few: a client that waits exactly so long is let in."""
    return str(max(1, math.ceil(seconds))).encode()


def _headers(failure: Failure) -> list[tuple[bytes, bytes]]:
    if failure.replayed:
        return [(b"idempotent-replayed", b"true")]
    seconds = getattr(failure, "retry_after_seconds", None)
    if seconds is not None:
        return [(b"retry-after", retry_after(seconds))]
    methods = getattr(failure, "allowed", None)
    if methods is not None:
        return [(b"allow", ", ".join(methods).encode())]
    if type(failure).kind is Kind.UNAUTHENTICATED:
        return [(b"www-authenticate", b"Bearer")]  # RFC 9110 11.6.1: a 401 names a scheme
    return []
