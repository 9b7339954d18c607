"""Failures as gRPC tells them: a status code, and `google.rpc.Status` with the details in its trailing metadata.

The one table from kinds to codes stands here (beside that of HTTP in `edges/http/problem.py`). The failure's own code is the
`reason` of an ErrorInfo and its fields are the metadata, so a client never has to read a sentence.
"""

from typing import Any, Literal

import grpc
import msgspec
from msgspec import Struct

from armature.edges.grpc.messages import Messages
from armature.edges.grpc.proto import ProtoField, ProtoFile, ProtoMessage
from armature.kernel.failure import Failure, Kind

__all__ = ["STATUS", "Refusal", "Refusals", "status_of"]

STATUS = {
    Kind.MALFORMED: grpc.StatusCode.INVALID_ARGUMENT,
    Kind.INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    Kind.UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
    Kind.FORBIDDEN: grpc.StatusCode.PERMISSION_DENIED,
    Kind.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Kind.CONFLICT: grpc.StatusCode.FAILED_PRECONDITION,
    Kind.ALREADY_EXISTS: grpc.StatusCode.ALREADY_EXISTS,
    # Read again and decide again: what ABORTED means, also for entity tags (google.aip.dev/154).
    Kind.PRECONDITION: grpc.StatusCode.ABORTED,
    Kind.TOO_MANY: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Kind.UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    Kind.TIMEOUT: grpc.StatusCode.DEADLINE_EXCEEDED,
    Kind.BUG: grpc.StatusCode.INTERNAL,
}

_STATUS_OF_CODE = {
    # UNAVAILABLE is what clients retry by themselves, and whether this had an effect nobody knows.
    "commit:unknown": grpc.StatusCode.UNKNOWN,
    "idempotency:in_flight": grpc.StatusCode.ABORTED,
    "request:too_large": grpc.StatusCode.RESOURCE_EXHAUSTED,
}

_DETAILS = "grpc-status-details-bin"
_TYPE = "type.googleapis.com/google.rpc."
_TEXT_MAX = 1_024

_ANY = "google.protobuf.Any"
_DURATION = "google.protobuf.Duration"


def _message(name: str, *fields: ProtoField) -> ProtoMessage:
    return ProtoMessage(name=name, fields=fields)


def _field(number: int, name: str, type: str, label: Literal["", "repeated", "map"] = "") -> ProtoField:
    return ProtoField(name=name, number=number, type=type, label=label)


# https://github.com/googleapis/googleapis/blob/master/google/rpc: status.proto and, of error_details.proto, what is used here.
_RPC = ProtoFile(
    "google.rpc",
    (),
    (
        _message("Status", _field(1, "code", "int32"), _field(2, "message", "string"), _field(3, "details", _ANY, "repeated")),
        _message(
            "ErrorInfo", _field(1, "reason", "string"), _field(2, "domain", "string"), _field(3, "metadata", "string", "map")
        ),
        _message("RetryInfo", _field(1, "retry_delay", _DURATION)),
        _message("DebugInfo", _field(1, "stack_entries", "string", "repeated"), _field(2, "detail", "string")),
        _message("FieldViolation", _field(1, "field", "string"), _field(2, "description", "string")),
        _message("BadRequest", _field(1, "field_violations", "FieldViolation", "repeated")),
    ),
    ("google/protobuf/any.proto", "google/protobuf/duration.proto"),
)


class Refusal(Struct, frozen=True):
    """A failure ready to be told."""

    code: Any
    text: str
    trailing: list[tuple[str, str | bytes]]


def status_of(failure: type[Failure]) -> Any:
    """Return the gRPC code of a failure."""
    return _STATUS_OF_CODE.get(failure.code) or STATUS[failure.kind]


class Refusals:
    """Renders failures with the messages of one process."""

    def __init__(self, messages: Messages) -> None:
        messages.add(_RPC)
        self._made = {one.name: messages.of(f"google.rpc.{one.name}") for one in _RPC.messages}

    def of(self, failure: Failure, domain: str, internals: str | None = None) -> Refusal:
        """Render a failure of the service `domain`; `internals` are given in development only."""
        kind = type(failure)
        code, text = status_of(kind), failure.detail()[:_TEXT_MAX]
        details = [("ErrorInfo", self._made["ErrorInfo"](reason=failure.code, domain=domain, metadata=_fields(failure)))]
        errors = getattr(failure, "errors", ())
        if failure.kind is Kind.INVALID and errors:
            violation = self._made["FieldViolation"]
            found = [violation(field=one.path, description=one.message) for one in errors]
            details.append(("BadRequest", self._made["BadRequest"](field_violations=found)))
        seconds = getattr(failure, "retry_after_seconds", None)
        if seconds is not None:
            delay = {"seconds": int(seconds), "nanos": int(seconds % 1 * 1_000_000_000)}
            details.append(("RetryInfo", self._made["RetryInfo"](retry_delay=delay)))
        if internals is not None:
            details.append(("DebugInfo", self._made["DebugInfo"](detail=internals[:_TEXT_MAX])))
        packed = [{"type_url": _TYPE + name, "value": one.SerializeToString()} for name, one in details]
        status = self._made["Status"](code=code.value[0], message=text, details=packed)
        trailing: list[tuple[str, str | bytes]] = [(_DETAILS, status.SerializeToString())]
        if failure.replayed:
            trailing.append(("idempotent-replayed", "true"))
        return Refusal(code, text, trailing)


def _fields(failure: Failure) -> dict[str, str]:
    """The fields as texts: a text as it is, everything else as its JSON. Errors of fields have a detail of their own."""
    return {name: _text(value) for name, value in failure.values().items() if name != "errors" and value is not None}


def _text(value: Any) -> str:
    plain = msgspec.to_builtins(value)
    return plain if isinstance(plain, str) else msgspec.json.encode(plain).decode()
