"""Which problems an operation can answer with, and how they look: read from its declaration and from the pipeline's stages."""

from collections.abc import Iterator, Sequence
from typing import Any, get_type_hints

from armature.edges.http.openapi_schemas import PREFIX, Schema, Schemas
from armature.edges.http.problem import TITLES, status_of
from armature.edges.http.refusals import NoSuchRoute, PayloadTooLarge, UnsupportedMediaType
from armature.kernel.failure import Failure
from armature.kernel.operation import Operation
from armature.kernel.refusals import (
    DeadlineExceeded,
    Forbidden,
    Invalid,
    KeyInFlight,
    KeyMissing,
    KeyReused,
    Malformed,
    Overloaded,
    PreconditionFailed,
    ProjectionBuilding,
    RateLimited,
    Unauthenticated,
    Unavailable,
    UnknownOutcome,
)

__all__ = ["BODY_METHODS", "field_types", "problem_responses", "problem_schemas", "refusals", "takes_key", "takes_version"]

BODY_METHODS = ("POST", "PUT", "PATCH", "DELETE")
_CONNECTION = "http.connection"
_CONNECTION_STATUS = (400, 413, 503)
"""Statuses that the layer below the application answers with, too."""

PROBLEM: Schema = {
    "title": "Problem",
    "description": "An RFC 9457 problem. Branch on `code`, which never changes; `detail` is for people.",
    "type": "object",
    "properties": {
        "type": {"type": "string", "examples": ["urn:problem:request:invalid"]},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "instance": {"type": "string", "description": "The path of the request."},
        "code": {"type": "string", "pattern": "^[a-z0-9_]+:[a-z0-9_]+$"},
        "kind": {"type": "string", "enum": [kind.value for kind in TITLES]},
        "timestamp": {"type": "string", "format": "date-time"},
        "trace_id": {"type": ["string", "null"]},
    },
    "required": ["type", "title", "status", "detail", "code", "kind", "timestamp"],
}


def takes_key(operation: Operation) -> bool:
    """Whether a call may carry an Idempotency-Key."""
    declared = operation.declared
    return declared.kind == "command" and declared.idempotency != "none" and not declared.public


def takes_version(operation: Operation) -> bool:
    """Whether If-Match makes sense: a change of something that exists and has a version."""
    declared = operation.declared
    return declared.kind == "command" and declared.etag is not None and bool(operation.path_fields)


def refusals(operation: Operation, limited: bool) -> tuple[type[Failure], ...]:
    """Return all failures a caller of the operation may meet, the platform's before its own."""
    return (*_platform(operation, limited), *operation.declared.refuses)


def _platform(operation: Operation, limited: bool) -> Iterator[type[Failure]]:
    if operation.method in BODY_METHODS:
        yield from (Malformed, PayloadTooLarge, UnsupportedMediaType)
    if operation.declared.permission is not None:
        yield from (Unauthenticated, Forbidden)
    if operation.path_fields:
        yield NoSuchRoute
    yield Invalid
    if takes_key(operation):
        yield from (KeyReused, KeyInFlight)
        if operation.declared.idempotency == "required":
            yield KeyMissing
    if takes_version(operation):
        yield PreconditionFailed
    if limited:
        yield RateLimited
    yield from (Overloaded, Unavailable)
    if operation.declared.kind == "feed":
        return  # waits for nothing and has no deadline
    yield UnknownOutcome if operation.declared.kind == "command" else ProjectionBuilding
    yield DeadlineExceeded


def field_types(failures: Sequence[type[Failure]]) -> list[Any]:
    """Return the types of all fields of all failures."""
    return [hint for failure in failures for hint in _fields(failure).values()]


def problem_schemas(failures: Sequence[type[Failure]], schemas: Schemas) -> dict[str, Schema]:
    """Return the components: `Problem`, and one for each code with its own fields."""
    made: dict[str, Schema] = {"Problem": PROBLEM, _CONNECTION: _connection()}
    for failure in failures:
        made[_component(failure)] = {
            "title": failure.code,
            "description": (failure.__doc__ or "").strip().splitlines()[0],
            "allOf": [{"$ref": PREFIX + "Problem"}],
            "type": "object",
            "properties": {
                "code": {"const": failure.code},
                "kind": {"const": failure.kind.value},
                "status": {"const": status_of(failure)},
                **{name: schemas.of(hint) for name, hint in _fields(failure).items()},
            },
            "required": list(_fields(failure)),
        }
    return made


def problem_responses(failures: Sequence[type[Failure]]) -> dict[str, Schema]:
    """Return the problem responses by status."""
    by_status: dict[int, list[type[Failure]]] = {400: []}
    for failure in failures:
        by_status.setdefault(status_of(failure), []).append(failure)
    return {str(status): _response(status, by_status[status]) for status in sorted(by_status)}


def _response(status: int, failures: Sequence[type[Failure]]) -> Schema:
    names = {failure.code: _component(failure) for failure in failures}
    if status in _CONNECTION_STATUS:
        names["http:*"] = _CONNECTION
    references = [{"$ref": PREFIX + name} for name in names.values()]
    headers = {"X-Request-ID": {"$ref": "#/components/headers/X-Request-ID"}}
    if any("retry_after_seconds" in failure.fields for failure in failures):
        headers["Retry-After"] = {"$ref": "#/components/headers/Retry-After"}
    if Unauthenticated in failures:
        headers["WWW-Authenticate"] = {"$ref": "#/components/headers/WWW-Authenticate"}
    return {
        "description": "; ".join(f"`{code}`" for code in names),
        "headers": headers,
        "content": {"application/problem+json": {"schema": references[0] if len(references) == 1 else {"oneOf": references}}},
    }


def _connection() -> Schema:
    return {
        "title": "http:*",
        "description": "The bytes of the request were refused before any operation saw them; the connection closes.",
        "allOf": [{"$ref": PREFIX + "Problem"}],
        "type": "object",
        "properties": {"code": {"type": "string", "pattern": "^http:"}},
    }


def _component(failure: type[Failure]) -> str:
    return failure.code.replace(":", ".")


def _fields(failure: type[Failure]) -> dict[str, Any]:
    hints = get_type_hints(failure, include_extras=True)
    return {name: hints[name] for name in failure.fields}
