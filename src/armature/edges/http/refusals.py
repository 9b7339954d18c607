"""What only HTTP can refuse."""

from armature.kernel.failure import Kind
from armature.kernel.refusals import PlatformRefusal

__all__ = ["ClientLeft", "MethodNotAllowed", "NoSuchRoute", "PayloadTooLarge", "UnsupportedMediaType"]


class NoSuchRoute(PlatformRefusal, kind=Kind.NOT_FOUND, code="request:no_route"):
    """Nothing is served at this path; /openapi.json lists what is."""


class MethodNotAllowed(PlatformRefusal, kind=Kind.MALFORMED, code="request:method"):
    """This path does not take that method."""

    allowed: list[str]


class PayloadTooLarge(PlatformRefusal, kind=Kind.MALFORMED, code="request:too_large"):
    """The body has more than the {limit} bytes this operation takes."""

    limit: int


class UnsupportedMediaType(PlatformRefusal, kind=Kind.MALFORMED, code="request:media_type"):
    """Bodies are sent as application/json."""


class ClientLeft(PlatformRefusal, kind=Kind.MALFORMED, code="request:client_left"):
    """The client closed the connection before its request was complete."""
