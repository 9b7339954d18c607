"""Runs the methods of a process on one address: caps, drain, and nothing of the business.

grpc decides some things before our code sees a call: sizes of messages and metadata, the number of calls, how often a client may
ping. They are set here from the policy; a caller beyond them is told RESOURCE_EXHAUSTED, or loses its connection.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from grpc import aio

from armature.edges.grpc.streaming import Until
from armature.edges.grpc.tls import credentials
from armature.edges.http.server import CannotListen
from armature.engine.policies import GrpcPolicy

__all__ = ["GrpcServer"]

# How often a silent client is asked whether it is still there, and how long it may take to say so.
_ALIVE_SECONDS = 120.0
_ALIVE_ANSWER_SECONDS = 20.0
_PING_STRIKES = 2
_LOOK_SECONDS = 0.1
_QUIET_LOOKS = 5


class GrpcServer:
    """One listening address. `start`, then `drain` (graceful) or `stop` (at once); both are safe to call twice."""

    def __init__(self, policy: GrpcPolicy, until: Until, leaving: asyncio.Event, message_bytes_max: int) -> None:
        self.busy: Callable[[], int] = lambda: 0
        """How many calls are open; whoever adds methods says so."""
        self._policy = policy
        self._until = until
        self._leaving = leaving
        self._server = aio.server(
            options=_options(policy, message_bytes_max),
            maximum_concurrent_rpcs=policy.calls_max,
        )
        self._stopped = False
        self.working: set[asyncio.Task[Any]] = set()
        """Commands that run on whatever becomes of their callers."""
        self.host, self.port = policy.host, policy.port

    @property
    def address(self) -> str:
        """`host:port`, with the port that was really bound: what a channel is made of."""
        return f"{self._host}:{self.port}"

    @property
    def _host(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def server(self) -> Any:
        """The server of grpc, for handlers that come from grpc's own packages."""
        return self._server

    def add(self, handlers: Iterable[Any]) -> None:
        """Serve these; before `start`."""
        self._server.add_generic_rpc_handlers(tuple(handlers))

    async def start(self) -> None:
        """Bind and accept, once. Raises `CannotListen`."""
        where = f"{self._host}:{self._policy.port}"
        try:
            self.port = self._bind(where)
        except RuntimeError as wrong:
            cure = "set grpc.host and grpc.port to an address that is free (port 0 takes any)"
            raise CannotListen(f"cannot listen on {where} for gRPC: {cure}") from wrong
        await self._server.start()

    def _bind(self, where: str) -> int:
        certificate, key = self._policy.tls_certificate, self._policy.tls_key
        if certificate is None and key is None:
            return self._server.add_insecure_port(where)
        if certificate is None or key is None:
            missing = "tls_certificate" if certificate is None else "tls_key"
            raise CannotListen(f"grpc.{missing} is missing, and its other half is given; name both files, or neither")
        return self._server.add_secure_port(where, credentials(Path(certificate), Path(key)))

    async def drain(self, seconds: float) -> int:
        """Say goodbye on every connection (GOAWAY), answer what was taken, then close; return how many calls were cut."""
        self._until.leaving = True
        self._leaving.set()
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        stopping = asyncio.ensure_future(self._server.stop(seconds))
        quiet, open_calls = 0, 0
        # grpc waits for the goodbye of each client, and some are not there any more; it is not waited for when nothing runs.
        while not stopping.done() and quiet < _QUIET_LOOKS:
            open_calls = max(self.busy(), len(self.working))
            await asyncio.wait((stopping,), timeout=_LOOK_SECONDS)
            quiet = 0 if self.busy() or self.working else quiet + 1
        cut = open_calls if loop.time() >= until else 0
        await self.stop()
        await stopping
        return cut

    async def stop(self) -> None:
        """Close everything now. What was handed over to the database is carried through by it."""
        if not self._stopped:
            self._stopped = True
            self._leaving.set()
            await self._server.stop(None)
        for task in self.working:
            task.cancel()
        await asyncio.gather(*self.working, return_exceptions=True)


def _options(policy: GrpcPolicy, message_bytes_max: int) -> Sequence[tuple[str, Any]]:
    # The soft caps refuse at random between the two; a cap that is one number is a promise.
    metadata = policy.metadata_bytes_max
    # Calls that no turn of the loop has taken up yet, reset ones among them: beyond these gRPC hangs up without a word. Of what
    # may be open, and of what one connection may send at once, nothing is thrown away.
    pending = max(policy.calls_max, policy.calls_per_connection_max)
    return (
        ("grpc.max_receive_message_length", max(policy.message_bytes_max, message_bytes_max)),
        ("grpc.max_metadata_size", metadata),
        ("grpc.absolute_max_metadata_size", metadata),
        ("grpc.max_concurrent_streams", policy.calls_per_connection_max),
        ("grpc.server.max_pending_requests", pending),
        ("grpc.server.max_pending_requests_hard_limit", pending),
        ("grpc.keepalive_time_ms", _milliseconds(_ALIVE_SECONDS)),
        ("grpc.keepalive_timeout_ms", _milliseconds(_ALIVE_ANSWER_SECONDS)),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", _milliseconds(policy.ping_seconds_min)),
        ("grpc.http2.max_ping_strikes", _PING_STRIKES),
        ("grpc.max_connection_age_ms", _milliseconds(policy.connection_age_seconds)),
        ("grpc.max_connection_age_grace_ms", _milliseconds(policy.stream_age_seconds)),
        # Two processes that were given one port by mistake must not share it unseen.
        ("grpc.so_reuseport", 0),
    )


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1_000))
