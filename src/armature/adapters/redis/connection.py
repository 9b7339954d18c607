"""The connections of a process to Redis, pooled, shared by every port that speaks it. A server that restarts costs its callers
some milliseconds; one that is away is reported as `Unavailable` soon."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import (
    ClusterDownError,
    ConnectionError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TimeoutError,
    TryAgainError,
)

from armature.kernel.refusals import Unavailable
from armature.ports.bus import BusRefused

__all__ = ["RedisConnection", "RedisRefused", "translated"]

VERSION_MIN = (6, 2)
_AWAY = (ConnectionError, TimeoutError, OutOfMemoryError, ReadOnlyError, TryAgainError, ClusterDownError, OSError)
# Replies that redis-py has no class of its own for: no room on disk, a script that runs too long, a lost primary.
_AWAY_WORDS = ("OOM", "MISCONF", "BUSY", "LOADING", "MASTERDOWN", "NOREPLICAS")


class RedisRefused(BusRefused):
    """The server is one that Armature cannot work on; says why and the cure."""


@contextmanager
def translated() -> Iterator[None]:
    """Turn whatever the client raises when the server is away or full into `Unavailable`."""
    try:
        yield
    except NoPermissionError:
        raise
    except _AWAY as error:
        raise Unavailable(what=f"redis: {str(error) or type(error).__name__}") from error
    except ResponseError as error:
        if not any(word in str(error)[:200] for word in _AWAY_WORDS):
            raise
        raise Unavailable(what=f"redis: {error}") from error


class RedisConnection:
    """`url` as in `redis://user:secret@host:6379/0`. Answers are bytes. A command is tried three times within about a second, so
    it must be one that may run twice.

    Every port that uses it opens and closes it once; the first opening connects, the last closing lets go.
    """

    def __init__(self, url: str, *, connections_max: int = 16, command_seconds: float = 5.0) -> None:
        self._url = url
        self._connections_max = connections_max
        self._command_seconds = command_seconds
        self._client: Redis | None = None
        self._users = 0
        self._opening = asyncio.Lock()

    @property
    def client(self) -> Redis:
        """The pooled client; raise `Unavailable` before `open`."""
        if self._client is None:
            raise Unavailable(what="redis: not connected")
        return self._client

    async def open(self) -> None:
        """Connect and look at the server: `Unavailable` when it is away, `RedisRefused` when it is of the wrong kind."""
        async with self._opening:
            if self._client is None:
                client = Redis(connection_pool=self._pool())
                try:
                    with translated():
                        _check(await client.info("server"))
                except BaseException:
                    await client.aclose(close_connection_pool=True)
                    raise
                self._client = client
            self._users += 1

    async def close(self) -> None:
        """Let go, when nobody else uses it."""
        async with self._opening:
            self._users = max(0, self._users - 1)
            if self._users or self._client is None:
                return
            client, self._client = self._client, None
            await client.aclose(close_connection_pool=True)

    def _pool(self) -> BlockingConnectionPool:
        return BlockingConnectionPool.from_url(
            self._url,
            max_connections=self._connections_max,
            timeout=self._command_seconds,
            socket_connect_timeout=2.0,
            socket_timeout=self._command_seconds,
            retry=Retry(ExponentialWithJitterBackoff(base=0.05, cap=0.5), 3, (ConnectionError,)),
            # Answers of scripts look the same from every server; what RESP3 adds is not used.
            protocol=2,
        )


def _check(info: dict[str, object]) -> None:
    version = str(info.get("redis_version", "0.0"))
    if tuple(int(part) for part in version.split(".")[:2]) < VERSION_MIN:
        raise RedisRefused(f"redis {version} is older than 6.2, which first claims abandoned messages; update the server")
    if info.get("redis_mode") == "cluster":
        text = "redis runs as a cluster, over which a script cannot reach all keys of a stream"
        raise RedisRefused(f"{text}; give the address of a single primary")
