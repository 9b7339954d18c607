"""What every answer gets on its way out: fixed headers, the caller's origin when it is allowed, and compression."""

import zlib
from collections.abc import Mapping, Sequence
from functools import lru_cache

from msgspec import Struct

__all__ = ["Finish", "Fixed"]

_SECURITY: tuple[tuple[bytes, bytes], ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)
_SECURE_TRANSPORT = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")
_COMPRESSIBLE = (b"application/json", b"application/problem+json", b"text/")
_EXPOSED = b"ETag, Location, Retry-After, Armature-Position, Idempotent-Replayed, X-Request-ID"
_ALLOWED = (
    b"Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Armature-Position, Last-Event-ID, X-Request-ID, "
    b"Traceparent"
)
_ALLOWED_IN_DEVELOPMENT = _ALLOWED + b", X-Tenant-ID, X-Actor, X-Roles"
_METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE"

Header = tuple[bytes, bytes]


class Fixed(Struct, frozen=True):
    """Headers that every answer has, also as the lines that they are on the wire."""

    headers: list[Header]
    lines: bytes


class Finish:
    """Compiled from the policy at start; `secure` is production, where everything comes over TLS."""

    def __init__(self, *, origins: Sequence[str], compress_bytes_min: int, secure: bool) -> None:
        fixed = [*_SECURITY, _SECURE_TRANSPORT] if secure else list(_SECURITY)
        self.fixed = Fixed(fixed, b"".join([b"%b: %b\r\n" % pair for pair in fixed]))
        self._allowed = _ALLOWED if secure else _ALLOWED_IN_DEVELOPMENT
        self._origins = frozenset(origin.encode() for origin in origins)
        self._compress_bytes_min = compress_bytes_min

    def finish(self, status: int, headers: list[Header], body: bytes, sent: Mapping[bytes, bytes], request_id: bytes) -> bytes:
        """Complete `headers` in place, but for the fixed ones, and return the body as it goes out."""
        if len(body) >= self._compress_bytes_min:
            body = self._compress(headers, body, sent.get(b"accept-encoding", b""))
        if status != 204 and status != 304:  # RFC 9110 8.6: neither has a length
            headers.append((b"content-length", b"%d" % len(body)))
        headers.append((b"x-request-id", request_id))
        if self._origins:
            self._share(headers, sent)
        return body

    def stream(self, sent: Mapping[bytes, bytes], request_id: bytes, headers: Sequence[Header]) -> list[Header]:
        """Return the headers of an answer whose length nobody knows yet; it is not compressed."""
        made = [*headers, (b"x-request-id", request_id), *self.fixed.headers]
        if self._origins:
            self._share(made, sent)
        return made

    def preflight(self, sent: Mapping[bytes, bytes]) -> list[Header] | None:
        """Answer a CORS preflight from an allowed origin (Fetch standard, 3.2); None: it is none, or not allowed."""
        origin = sent.get(b"origin")
        if origin is None or origin not in self._origins or b"access-control-request-method" not in sent:
            return None
        return [
            (b"access-control-allow-methods", _METHODS),
            (b"access-control-allow-headers", self._allowed),
            (b"access-control-max-age", b"600"),
        ]

    def _share(self, headers: list[Header], sent: Mapping[bytes, bytes]) -> None:
        """Name the origin when it is on the list, exactly as it stands there; `null` and prefixes never are."""
        headers.append((b"vary", b"Origin"))
        origin = sent.get(b"origin")
        if origin is not None and origin in self._origins:
            headers.append((b"access-control-allow-origin", origin))
            headers.append((b"access-control-expose-headers", _EXPOSED))

    def _compress(self, headers: list[Header], body: bytes, accepted: bytes) -> bytes:
        kind = next((value for name, value in headers if name == b"content-type"), b"")
        if not kind.startswith(_COMPRESSIBLE):
            return body
        # Also on the answer that stays plain: a cache must not hand it on as the only one there is.
        headers.append((b"vary", b"Accept-Encoding"))
        if not _takes_gzip(accepted):
            return body
        packer = zlib.compressobj(5, zlib.DEFLATED, 31)
        packed = packer.compress(body) + packer.flush()
        headers.append((b"content-encoding", b"gzip"))
        return packed


@lru_cache(1_024)
def _takes_gzip(accepted: bytes) -> bool:
    """Whether an Accept-Encoding names gzip or * with a weight above zero (RFC 9110 12.5.3)."""
    weights: dict[bytes, bool] = {}
    for part in accepted.lower().split(b","):
        coding, _, weight = part.replace(b" ", b"").partition(b";q=")
        weights[coding] = not weight or weight.strip(b"0.") != b""
    return weights.get(b"gzip", weights.get(b"*", False))
