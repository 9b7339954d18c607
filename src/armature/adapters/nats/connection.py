"""The one connection of a process to NATS, shared by every port that speaks it. It finds its way back by itself, for ever,
and says `Unavailable` in the meantime instead of keeping callers waiting."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count

from nats.aio.client import Client, Server
from nats.errors import Error

from armature.adapters.nats.frames import FastClient
from armature.kernel.refusals import Unavailable

__all__ = ["NatsConnection", "translated"]

_DELAY_SECONDS_MAX = 2.0
_CLOSE_SECONDS = 2.0
# A server that hangs is left after two pings without an answer.
_PING_SECONDS = 2


@contextmanager
def translated() -> Iterator[None]:
    """Turn whatever the client raises when the server is away into `Unavailable`."""
    try:
        yield
    except (Error, OSError, TimeoutError) as error:
        raise Unavailable(what=f"nats: {str(error) or type(error).__name__}") from error


class NatsConnection:
    """`url` is one address or several with commas between (`nats://user:secret@host:4222`).

    Every port that uses it opens and closes it once; the first opening connects, the last closing lets go.
    """

    def __init__(self, url: str, *, name: str = "armature", connect_seconds: float = 5.0) -> None:
        self._servers = [one.strip() for one in url.split(",")]
        self._name = name
        self._connect_seconds = connect_seconds
        self._client: FastClient | None = None
        self._users = 0
        self._opening = asyncio.Lock()
        self._lost: dict[int, Callable[[], None]] = {}
        self._numbers = count()
        self.breaks = 0
        """How often the connection was lost so far."""
        self.returns = 0
        """How often it was made anew, with all its subscriptions in force."""

    @property
    def client(self) -> FastClient:
        """The client, connected now; raise `Unavailable` while it is not."""
        client = self._client
        if client is None or not client.is_connected:
            raise Unavailable(what="nats: not connected")
        return client

    @property
    def closed(self) -> bool:
        """True before `open` and after the last `close`."""
        return self._client is None

    async def open(self) -> None:
        """Connect within `connect_seconds`, or raise `Unavailable`."""
        async with self._opening:
            if self._client is None:
                self._client = await self._connected()
            self._users += 1

    async def close(self) -> None:
        """Let go, when nobody else uses it; bounded, without the client's drain, which may hang."""
        async with self._opening:
            self._users = max(0, self._users - 1)
            if self._users or self._client is None:
                return
            client, self._client = self._client, None
            await _end(client)

    def when_lost(self, told: Callable[[], None]) -> Callable[[], None]:
        """Call `told` each time the connection breaks, from the loop; until what is returned is called."""
        number = next(self._numbers)
        self._lost[number] = told
        return lambda: self._lost.pop(number, None) and None

    async def _connected(self) -> FastClient:
        client = FastClient()
        try:
            with translated():
                await asyncio.wait_for(self._connect(client), self._connect_seconds)
        except BaseException as failed:
            trouble = client.last_error
            await _end(client)
            if isinstance(failed.__cause__, TimeoutError):
                # It tries until our patience ends; what was wrong is what it met the last time.
                said = str(trouble or "") or f"no answer within {self._connect_seconds:g} s"
                raise Unavailable(what=f"nats: {said}") from trouble
            raise
        return client

    def _connect(self, client: Client) -> Awaitable[None]:
        return client.connect(
            self._servers,
            name=self._name,
            error_cb=_quiet,
            disconnected_cb=self._broken,
            reconnected_cb=self._returned,
            connect_timeout=2,
            # Not 0: the client would try again without a pause, and swallow the cancellation that ends our patience.
            reconnect_time_wait=1,
            max_reconnect_attempts=-1,
            reconnect_to_server_handler=_next,
            ping_interval=_PING_SECONDS,
            max_outstanding_pings=2,
        )

    async def _broken(self) -> None:
        self.breaks += 1
        for told in tuple(self._lost.values()):
            told()

    async def _returned(self) -> None:
        self.returns += 1


def _next(servers: list[Server], info: dict[str, object]) -> tuple[Server, float]:
    """Try the server that failed least, after a random delay that grows with its failures: a herd must not return at once."""
    best = min(servers, key=lambda server: server.reconnects)
    return best, random.uniform(0.01, min(_DELAY_SECONDS_MAX, 0.1 * 2 ** min(best.reconnects, 10)))


async def _quiet(error: Exception) -> None:
    """The client reports here what its callers are told as well."""


async def _end(client: Client) -> None:
    with suppress(Exception):
        await asyncio.wait_for(client.close(), _CLOSE_SECONDS)
