"""Runs one ASGI application on one address, inside an event loop that somebody else owns.

uvicorn's own `Server` installs signal handlers, runs a lifespan and ends the process when a port is taken; here the
runtime owns all three. What is left is small: bind, accept, sweep the deadlines, and leave without losing a request that was
already taken.
"""

import asyncio
import errno
import socket
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

import uvloop
from starlette.types import ASGIApp
from uvicorn.config import Config

from armature.edges.http.protocol import GuardedProtocol
from armature.edges.http.protocol_ledger import Ledger
from armature.engine.policies import HttpPolicy

__all__ = ["CannotListen", "HttpServer", "run_on_uvloop"]

BACKLOG = 2_048
DRAIN_POLL_SECONDS = 0.05

T = TypeVar("T")


class CannotListen(Exception):
    """The address cannot be bound; the message says which, why, and what to do."""


class HttpServer:
    """One listening address. `start`, then `drain` (graceful) or `stop` (at once); both are safe to call twice.

    `body_bytes_max` replaces the policy's cap when an operation declares a larger body; smaller caps are the
    application's to keep.
    """

    def __init__(self, app: ASGIApp, policy: HttpPolicy, *, body_bytes_max: int | None = None) -> None:
        self._app = app
        self._policy = policy
        self._ledger = Ledger(policy, body_bytes_max)
        self._server: asyncio.Server | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._started = False
        self.host = policy.host
        self.port = policy.port

    @property
    def address(self) -> str:
        """`http://host:port`, with the port that was really bound."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def connections(self) -> int:
        """Open connections, refused ones that still read their refusal not counted."""
        return len(self._ledger.open)

    @property
    def running(self) -> int:
        """Requests whose application has not returned."""
        return len(self._ledger.tasks)

    @property
    def refusals(self) -> Mapping[str, int]:
        """How often each refusal of this layer was given, by code; the application never sees these requests."""
        return self._ledger.refusals

    @property
    def draining(self) -> bool:
        """Whether the server takes leave; readiness should say so."""
        return self._ledger.draining

    async def start(self) -> None:
        """Bind and accept, once. Raises `CannotListen`."""
        if self._started:
            raise RuntimeError("a server starts once; build another one to start again")
        self._started = True
        loop = asyncio.get_running_loop()
        listener = _bind(self._policy.host, self._policy.port)
        self.port = listener.getsockname()[1]
        config = Config(
            self._app,
            interface="asgi3",
            lifespan="off",
            ws="none",
            proxy_headers=False,
            access_log=False,
            log_config=None,
        )
        config.load()
        self._server = await loop.create_server(
            lambda: GuardedProtocol(config, self._ledger, loop), sock=listener, backlog=BACKLOG
        )
        self._tick()

    def sweep(self, now: float) -> None:
        """Let every connection look at its deadline as of `now` (the loop's time); a timer does so every period."""
        self._ledger.renew_date()
        self._ledger.sweep(now)

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        self.sweep(loop.time())
        self._timer = loop.call_later(self._ledger.sweep_seconds, self._tick)

    async def drain(self) -> int:
        """Accept no more, answer what was taken, then close; return how many requests were cut at `drain_seconds`."""
        loop, ledger = asyncio.get_running_loop(), self._ledger
        deadline = loop.time() + self._policy.drain_seconds
        # Connections whose handshake is complete wait in the listener's queue; two turns of the loop take them in.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        self._close_listener()
        ledger.draining = True
        for connection in list(ledger.open):
            connection.begin_drain()
        while (ledger.open or ledger.tasks) and loop.time() < deadline:
            ledger.sweep(loop.time())
            ledger.changed.clear()
            try:
                await asyncio.wait_for(ledger.changed.wait(), DRAIN_POLL_SECONDS)
            except TimeoutError:
                continue
        cut = len(ledger.tasks)
        await self.stop()
        return cut

    async def stop(self) -> None:
        """Close everything now; requests that are being answered are cancelled and their connections cut."""
        self._close_listener()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        tasks = list(self._ledger.tasks)
        for connection in [*self._ledger.open, *self._ledger.turned_away]:
            connection.cut()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # The loop tells each connection of its end in a later turn; without it their sockets would outlive the server.
        while self._ledger.open or self._ledger.turned_away:
            self._ledger.changed.clear()
            await self._ledger.changed.wait()

    def _close_listener(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None


def run_on_uvloop(main: Coroutine[Any, Any, T]) -> T:
    """The process entry's `asyncio.run`, on uvloop."""
    return uvloop.run(main)


def _bind(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except socket.gaierror as wrong:
        raise CannotListen(f"cannot listen on {host}:{port}: the host is unknown; set http.host to an address") from wrong
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError as wrong:
        listener.close()
        raise CannotListen(f"cannot listen on {host}:{port}: {_cure(wrong, port)}") from wrong
    return listener


def _cure(wrong: OSError, port: int) -> str:
    if wrong.errno == errno.EADDRINUSE:
        return "the port is in use; stop the process that has it, or choose another with --port (0 takes a free one)"
    if wrong.errno == errno.EACCES:
        return f"port {port} needs privileges; choose one from 1024 on with --port, behind a proxy"
    if wrong.errno == errno.EADDRNOTAVAIL:
        return "this machine has no such address; set --host to one it has (127.0.0.1, 0.0.0.0, ::)"
    return f"{wrong.strerror}; choose another address with --host and --port"
