"""What all connections of one server share: the counts that caps are held against, and one sweep for every deadline.

A timer per request would cost more than the request's parsing. Instead each connection notes when its present state
began, and once per period the sweep asks every connection whether that was too long ago. A deadline is met late by one
period at most, never early.
"""

import asyncio
import ipaddress
import time
from collections import Counter
from email.utils import formatdate
from typing import Protocol

from uvicorn.server import ServerState

from armature.edges.http.protocol_head import HeadLimits
from armature.edges.http.proxy import TrustedProxies
from armature.engine.policies import HttpPolicy

__all__ = ["Connection", "Ledger"]

SWEEP_SECONDS = 1.0
# Refused connections stay a moment so that the refusal can be read; only so many at once.
TURNED_AWAY_MAX = 64


class Connection(Protocol):
    """What the sweep, the drain and an exchange ask of a connection."""

    held: bytes
    """Bytes that arrived after the current request; not yet looked at."""

    def on_response_complete(self) -> None:
        """The current request is answered."""

    def sweep(self, now: float) -> None:
        """Act if the present state has lasted too long."""

    def begin_drain(self) -> None:
        """Note that the server is leaving."""

    def cut(self) -> None:
        """Close without waiting for anything."""


class Ledger(ServerState):
    """Connections, tasks and caps of one server."""

    def __init__(self, policy: HttpPolicy, body_bytes_max: int | None = None) -> None:
        super().__init__()
        self.policy = policy
        self.body_bytes_max = body_bytes_max or policy.body_bytes_max
        self.head_limits = HeadLimits(policy.head_bytes_max, policy.head_fields_max, policy.url_bytes_max)
        # A head no larger than this meets the limits on its bytes and its target, whatever it holds.
        self.quick_bytes_max = min(policy.head_bytes_max, policy.url_bytes_max)
        # The request line, the fields and the empty line.
        self.lines_max = policy.head_fields_max + 2
        self.open: set[Connection] = set()
        self.turned_away: set[Connection] = set()
        self.refusals: Counter[str] = Counter()
        self.by_address: Counter[str] = Counter()
        self.proxies = TrustedProxies(policy.trusted_proxies)
        self.draining = False
        self.changed = asyncio.Event()
        self.date_line = b""
        self.renew_date()

    @property
    def sweep_seconds(self) -> float:
        """Often enough for the shortest deadline, once per second otherwise."""
        shortest = min(self.policy.head_seconds, self.policy.body_seconds, self.policy.keep_alive_seconds)
        return max(0.02, min(SWEEP_SECONDS, shortest / 4))

    def admit(self, connection: Connection, address: str) -> str | None:
        """Take a connection in and return the key it is counted under; None when a cap is reached."""
        key = _bucket(address)
        full = len(self.open) >= self.policy.connections_max
        # Everybody behind a proxy of ours shares its address; counting them as one caller would cap the whole service.
        crowded = self.by_address[key] >= self.policy.connections_per_address_max and not self.proxies.trusts(address)
        if full or crowded:
            return None
        self.by_address[key] += 1
        self.open.add(connection)
        return key

    def release(self, connection: Connection, key: str | None) -> None:
        """Forget a connection that is gone."""
        self.turned_away.discard(connection)
        if key is not None:
            self.open.discard(connection)
            self.by_address[key] -= 1
            if not self.by_address[key]:
                del self.by_address[key]
        self.changed.set()

    def turn_away(self, connection: Connection) -> bool:
        """Whether a connection over the cap may stay for its refusal."""
        if len(self.turned_away) >= TURNED_AWAY_MAX:
            return False
        self.turned_away.add(connection)
        return True

    def sweep(self, now: float) -> None:
        """Let every connection look at its deadline."""
        for connection in [*self.open, *self.turned_away]:
            connection.sweep(now)

    def renew_date(self) -> None:
        """RFC 9110 §6.6.1 wants a Date; rendering it once per sweep makes it free."""
        self.date_line = b"date: %b\r\n" % formatdate(time.time(), usegmt=True).encode()


def _bucket(address: str) -> str:
    """One subscriber: an IPv4 address, or the /64 that an IPv6 subscriber can pick addresses from at will."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return address
