"""The only way out: connects to nothing but what the guard admitted, at the moment of connecting.

The check sits where the socket is made and not where the URL is read, so there is no second look-up in which a name could
have changed its mind (DNS rebinding), and no code path, redirect or retry that goes around it. TLS and Host still see the
original name, since only the TCP connection is told the address.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import httpcore2

from armature.engine.ssrf import Target, admit

__all__ = ["GuardedNetwork", "Resolver", "resolve_by_system"]

# A host with two addresses of which one is a black hole (IPv6 without a route) must not cost the whole deadline.
_NEXT_ADDRESS_SECONDS = 2.0

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]


async def resolve_by_system(host: str, port: int) -> Sequence[str]:
    """All addresses of a host, IPv4 and IPv6, as the machine resolves it."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class _Stream(httpcore2.AsyncNetworkStream):
    """A connection that may be asked about itself after it has ended.

    One that is reset in the moment it was made has no socket any more, and the layers beneath stumble over that when the
    pool asks what was negotiated: a bug of the caller's, as far as anybody could see, where a host was just not there.
    """

    def __init__(self, stream: httpcore2.AsyncNetworkStream) -> None:
        self._stream = stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """As beneath."""
        return await self._stream.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """As beneath."""
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        """As beneath."""
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.AsyncNetworkStream:
        """As beneath."""
        return _Stream(await self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        """As beneath; of one that has ended only that it has something to read, which is its end."""
        try:
            return self._stream.get_extra_info(info)
        except AttributeError:
            return True if info == "is_readable" else None


class GuardedNetwork(httpcore2.AsyncNetworkBackend):
    """httpcore2's network, with the look-up and the guard in front of each TCP connection."""

    def __init__(self, resolve: Resolver, allow_hosts: frozenset[str]) -> None:
        self._resolve = resolve
        self._allow_hosts = allow_hosts
        self._network = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Resolve once, have every address admitted, connect to the first that answers."""
        target = Target("https", host, port, "/", host in self._allow_hosts)
        try:
            found = await self._resolve(host, port)
        except OSError as error:
            raise httpcore2.ConnectError(f"no address found: {error}") from error
        addresses = admit(target, found)
        failed: Exception | None = None
        for address in addresses:
            patience = timeout if address == addresses[-1] else _NEXT_ADDRESS_SECONDS
            try:
                return _Stream(await self._network.connect_tcp(address, port, patience, local_address, socket_options))
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failed = error
        raise failed or httpcore2.ConnectError("no address")

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None
    ) -> httpcore2.AsyncNetworkStream:
        """Refused: a socket file is not another host."""
        raise httpcore2.ConnectError("unix sockets are not reachable from here")

    async def sleep(self, seconds: float) -> None:
        """As the network beneath does."""
        await self._network.sleep(seconds)
