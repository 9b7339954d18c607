"""The refusals the platform itself can give, so that no module has to invent them.

Each is raised by exactly one stage of the pipeline or by a port; a module's contract need not declare them.
"""

from armature.kernel.failure import Failure, FieldError, Kind

__all__ = [
    "DeadlineExceeded",
    "Forbidden",
    "Invalid",
    "KeyInFlight",
    "KeyMissing",
    "KeyReused",
    "Malformed",
    "Overloaded",
    "PlatformRefusal",
    "PreconditionFailed",
    "ProjectionBuilding",
    "RateLimited",
    "Unauthenticated",
    "Unavailable",
    "UnknownOutcome",
]


class PlatformRefusal(Failure):
    """Base of what the platform refuses by itself; contracts declare only their own failures."""


class Invalid(PlatformRefusal, kind=Kind.INVALID, code="request:invalid"):
    """The request does not have the shape the operation declares."""

    errors: list[FieldError]


class Malformed(PlatformRefusal, kind=Kind.MALFORMED, code="request:malformed"):
    """The request cannot be read: {reason}."""

    reason: str


class Unauthenticated(PlatformRefusal, kind=Kind.UNAUTHENTICATED, code="auth:unauthenticated"):
    """The operation needs to know who calls."""


class Forbidden(PlatformRefusal, kind=Kind.FORBIDDEN, code="auth:forbidden"):
    """The caller lacks the permission {permission}."""

    permission: str


class RateLimited(PlatformRefusal, kind=Kind.TOO_MANY, code="limit:exceeded"):
    """The caller has used up the rate {rate} of this operation."""

    rate: str
    retry_after_seconds: float


class Overloaded(PlatformRefusal, kind=Kind.UNAVAILABLE, code="system:overloaded"):
    """The server runs and queues as many requests as it can finish in time."""

    retry_after_seconds: float = 1.0


class Unavailable(PlatformRefusal, kind=Kind.UNAVAILABLE, code="system:unavailable"):
    """A part this call needs cannot serve it now: {what}."""

    what: str
    retry_after_seconds: float = 1.0


class UnknownOutcome(PlatformRefusal, kind=Kind.UNAVAILABLE, code="commit:unknown"):
    """The connection was lost while committing; the change may or may not have happened."""


class ProjectionBuilding(PlatformRefusal, kind=Kind.UNAVAILABLE, code="projection:building"):
    """The read model {projection} is still being built."""

    projection: str
    retry_after_seconds: float = 1.0


class DeadlineExceeded(PlatformRefusal, kind=Kind.TIMEOUT, code="system:deadline"):
    """The deadline passed before the call had an effect."""


class PreconditionFailed(PlatformRefusal, kind=Kind.PRECONDITION, code="request:stale"):
    """The resource has changed since the version in If-Match."""

    current: str | None = None


class KeyMissing(PlatformRefusal, kind=Kind.MALFORMED, code="idempotency:key_missing"):
    """This operation needs an Idempotency-Key."""


class KeyReused(PlatformRefusal, kind=Kind.INVALID, code="idempotency:key_reused"):
    """This Idempotency-Key was used for a request with other content."""


class KeyInFlight(PlatformRefusal, kind=Kind.CONFLICT, code="idempotency:in_flight"):
    """The first call with this Idempotency-Key has no verdict yet."""

    retry_after_seconds: float = 1.0
