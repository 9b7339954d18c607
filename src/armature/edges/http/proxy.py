"""Who is calling, when the connection comes from a proxy.

X-Forwarded-For is a list that everybody on the way may write to; only what our own proxies appended is evidence. So it
is read from the right, from the peer of the connection outwards, and the first hop that is not one of ours is the
caller: everything left of it is hearsay. Without a trusted peer the header is not looked at.
"""

import ipaddress
from collections.abc import Sequence
from functools import lru_cache

__all__ = ["TrustedProxies", "UnknownNetwork"]

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
REMEMBERED = 4_096


class UnknownNetwork(ValueError):
    """An entry of `http.trusted_proxies` is not a network; the message names it and says how one is written."""


class TrustedProxies:
    """The networks whose word about a caller's address is taken, compiled once."""

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks = tuple(_network(text) for text in networks)
        self.trusts = lru_cache(REMEMBERED)(self._trusts)

    def client_address(self, peer: str, forwarded: Sequence[bytes]) -> str:
        """The caller's address: `peer` is the connection's, `forwarded` the X-Forwarded-For values in order of arrival.

        A hop that is not an address ends the walk: whoever wrote it, the last address that was vouched for stands.
        """
        if not self._networks or not forwarded or not self.trusts(peer):
            return peer
        vouched = peer
        for hop in reversed(b",".join(forwarded).split(b",")):
            address = _address(hop.strip().decode("latin-1"))
            if address is None:
                return vouched
            vouched = str(address)
            if not self.trusts(vouched):
                return vouched
        return vouched

    def _trusts(self, text: str) -> bool:
        address = _address(text)
        return address is not None and any(address in network for network in self._networks)


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text.strip(), strict=True)
    except ValueError as wrong:
        raise UnknownNetwork(
            f"http.trusted_proxies: {text!r}: {wrong}; write a network as 10.0.0.0/8, 2001:db8::/32 or one address"
        ) from None


def _address(text: str) -> Address | None:
    """An address as proxies write it: plain, `a.b.c.d:port`, `[v6]` or `[v6]:port`; a mapped IPv4 address as IPv4."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
