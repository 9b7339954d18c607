"""Calls to the outside world: what a module's `external.py` may ask, and what it can rely on.

A service out there is slow, lies about its length, redirects to places it should not know, or is simply gone. The port makes
each of these one refusal with a reason, so that a module's code reads as if the network were honest.

Laws (`armature.conformance.http` proves each of them):

1. One deadline holds for everything: name look-up, connect, TLS, sending, waiting, reading, and all retries together.
2. The body is read as a stream up to a cap and refused beyond it, whatever the length header says. `Accept-Encoding:
   identity` is sent and nothing is ever inflated: `HttpResponse.body` is what was on the wire.
3. No redirect is followed (a 3xx is an answer), and no proxy is taken from the environment.
4. Any status is an answer. Only an idempotent request is sent again: after a connection that failed before an answer, or
   after 502, 503 or 504; with full jitter; within the deadline; and within a budget of retries per host. When no retry is
   left, the last answer or the last refusal stands.
5. One circuit breaker per host. Only infrastructure faults count: no connection, no answer in time, no HTTP, 502, 503, 504.
   And a host gets a bounded share of the connections, so that a slow one delays nobody else's calls.
6. Only addresses that the outbound guard accepts are ever connected to, each time a connection is made.
7. The context's trace is forwarded as `traceparent`.
8. While a command decides, nothing is sent: the call is a bug (`OutboundMisuse`), not a refusal.
"""

from typing import Literal, Protocol

from msgspec import Struct, field

__all__ = ["Http", "HttpRequest", "HttpResponse", "OutboundContext", "OutboundMisuse", "OutboundRefused", "RefusalReason"]

RefusalReason = Literal["deadline", "breaker_open", "too_large", "address", "unreachable", "protocol"]

_IDEMPOTENT_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})  # RFC 9110, 9.2.2, without TRACE


class OutboundContext(Protocol):
    """The part of a call's context that an outbound call needs; `deadline` and `trace` are the kernel `Context`'s."""

    @property
    def deadline(self) -> float:
        """When the answer is no longer of use, in seconds of the monotonic clock."""
        ...

    @property
    def trace(self) -> str | None:
        """The W3C trace header to forward."""
        ...

    @property
    def deciding(self) -> bool:
        """True while a command decides: it may run again, and an effect cannot be taken back (laws 6)."""
        ...


class HttpRequest(Struct, frozen=True, kw_only=True):
    """One request. `idempotent` None means: as RFC 9110 says of the method; say True for a POST that carries its own key."""

    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    idempotent: bool | None = None

    @property
    def repeatable(self) -> bool:
        """Whether sending it twice does no more than sending it once."""
        return self.method in _IDEMPOTENT_METHODS if self.idempotent is None else self.idempotent


class HttpResponse(Struct, frozen=True, kw_only=True):
    """One answer, of any status. Header names are in lower case; a header may occur twice."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """The first header of that name, in any case."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key == wanted), None)


class OutboundRefused(Exception):
    """The call has no answer. `retry_after` (seconds) is set when trying again before then is certainly useless."""

    def __init__(self, reason: RefusalReason, host: str, *, detail: str = "", retry_after: float | None = None) -> None:
        super().__init__(
            f"outbound call to {host or 'an unreadable host'} refused ({reason})" + (f": {detail}" if detail else "")
        )
        self.reason: RefusalReason = reason
        self.host = host
        self.detail = detail
        self.retry_after = retry_after


class OutboundMisuse(RuntimeError):
    """A bug of the caller, never an outcome: called while a command decides, or with a header that is not its to set."""


class Http(Protocol):
    """Calls to other hosts under the laws above."""

    async def send(self, call: OutboundContext, request: HttpRequest) -> HttpResponse:
        """Send one request and return its answer; raises `OutboundRefused` when there is none."""
        ...

    async def close(self) -> None:
        """Give back all connections; a later `send` opens new ones."""
        ...
