"""Port `http` over httpx2's core: one pool of connections, one attempt at a time, everything else from the engine.

The core (`httpcore2`, which httpx2 pins to its own version) is used instead of the client on top of it, because most of what
the client adds is what an outbound call to a stranger must not have: redirects, cookies, proxies from the environment,
transparent inflation (292 kB became 300 MB in silence).
"""

import ssl

import httpcore2
import httpx2

from armature.adapters.httpx2.guarded import GuardedNetwork, Resolver, resolve_by_system
from armature.engine.outbound import Outbound, Rhythm, read_allow_hosts
from armature.engine.policies import OutboundPolicy
from armature.engine.ssrf import AddressRefused, Target
from armature.ports.http import HttpRequest, HttpResponse, OutboundContext, OutboundRefused

__all__ = ["Httpx2Http"]

# Sixteen times what one host may have (engine.outbound).
_CONNECTIONS_MAX = 512
_IDLE_MAX = 20
_IDLE_SECONDS = 15.0


class Httpx2Http:
    """`Http` for one process. `resolve` and `rhythm` are for tests; `tls` also for a certificate authority of one's own."""

    def __init__(
        self,
        policy: OutboundPolicy,
        *,
        resolve: Resolver = resolve_by_system,
        tls: ssl.SSLContext | None = None,
        rhythm: Rhythm | None = None,
    ) -> None:
        self._body_bytes_max = policy.body_bytes_max
        self._outbound = Outbound(self, policy, rhythm)
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=tls or httpx2.create_ssl_context(),
            max_connections=_CONNECTIONS_MAX,
            max_keepalive_connections=_IDLE_MAX,
            keepalive_expiry=_IDLE_SECONDS,
            network_backend=GuardedNetwork(resolve, read_allow_hosts(policy)),
        )

    async def send(self, call: OutboundContext, request: HttpRequest) -> HttpResponse:
        """Send one request and return its answer; raises `OutboundRefused` when there is none."""
        return await self._outbound.send(call, request)

    async def close(self) -> None:
        """Give back all connections; a later `send` opens new ones."""
        await self._pool.aclose()

    async def attempt(self, target: Target, request: HttpRequest, headers: list[tuple[str, str]]) -> HttpResponse:
        """Send once (`engine.outbound.Wire`)."""
        message = httpcore2.Request(
            request.method,
            httpcore2.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path),
            headers=headers,
            content=request.body,
        )
        try:
            answer = await self._pool.handle_async_request(message)
            try:
                return await self._read(target, answer, bodyless=request.method == "HEAD")
            finally:
                await answer.aclose()
        except AddressRefused as refused:
            raise OutboundRefused("address", target.authority, detail=refused.why) from None
        except httpcore2.RemoteProtocolError as error:
            broken = "disconnected" in str(error) or "closed connection" in str(error)
            raise OutboundRefused("unreachable" if broken else "protocol", target.authority, detail=str(error)) from error
        except (httpcore2.NetworkError, httpcore2.TimeoutException) as error:
            raise OutboundRefused("unreachable", target.authority, detail=str(error) or type(error).__name__) from error
        except httpcore2.LocalProtocolError as error:
            raise OutboundRefused("protocol", target.authority, detail=str(error)) from error

    async def _read(self, target: Target, answer: httpcore2.Response, *, bodyless: bool) -> HttpResponse:
        headers = tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in answer.headers)
        claimed = next((value for name, value in headers if name == "content-length"), "")
        if not bodyless and claimed.isdigit() and int(claimed) > self._body_bytes_max:
            raise self._too_large(target, f"announces {claimed} bytes")
        body = bytearray()
        async for part in answer.aiter_stream():
            body += part
            if len(body) > self._body_bytes_max:
                raise self._too_large(target, "sent more")
        return HttpResponse(status=answer.status, headers=headers, body=bytes(body))

    def _too_large(self, target: Target, what: str) -> OutboundRefused:
        detail = f"the answer {what}; at most {self._body_bytes_max} are read (outbound.body_bytes_max)"
        return OutboundRefused("too_large", target.authority, detail=detail)
