"""Where an outbound call may go. Pure: text and addresses in, a target or a refusal out; who resolves and connects asks here.

A URL that came from a user makes this server a proxy into its own network: the database on localhost, the cloud's metadata
service with the machine's keys. Checking the *name* is not enough (it resolves to whatever its owner likes, and differently
the second time), so the order is: read the URL once and strictly, resolve once, require that **every** address is public, and
connect to one of exactly these, while TLS and Host still name the original host.

Python's own `is_global` is necessary and not sufficient: 3.11 calls 64:ff9b::7f00:1, 2002:7f00:1:: and fec0::1 global.
"""

import ipaddress
import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from msgspec import Struct

__all__ = ["AddressRefused", "Target", "admit", "canonical_host", "is_public", "read_target"]

_HTTPS_PORT = 443
_ADDRESSES_MAX = 16

# Whitespace, controls and backslash are where two readers of one URL disagree; non-ASCII is allowed in the host alone.
_URL = re.compile(r"(https?)://([^/?#\\\x00-\x20\x7f]+)(/[!-\"$-\[\]-~]*)?(\?[!-\"$-\[\]-~]*)?(#[!-\[\]-~]*)?", re.IGNORECASE)
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]@:]+)(?::([0-9]{1,5}))?")
_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*")
_NUMERIC = re.compile(r"(.*\.)?([0-9]+|0x[0-9a-f]*)")

_DENIED_V4 = [
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT, and 100.100.100.200, a cloud's metadata
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's wire server: a public address that answers on every machine there
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
]
# Outside 2000::/3 nothing is public: that excludes ::1, mapped and NAT64 forms (64:ff9b::/96), fc00::/7, fe80::/10, fec0::/10.
_PUBLIC_V6 = IPv6Network("2000::/3")
_DENIED_V6 = [
    IPv6Network(text)
    for text in (
        "2001::/23",  # Teredo and other protocol assignments; they carry IPv4 addresses inside
        "2001:db8::/32",
        "2002::/16",  # 6to4: the IPv4 address is in the next 32 bits
        "3fff::/20",
    )
]
# Refused even to allowed hosts: what a name of the own network resolves to only when somebody tampered with it.
_NEVER_BY_NAME = [
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8", "100.100.100.200/32", "168.63.129.16/32", "169.254.0.0/16", "192.0.0.0/24", "224.0.0.0/4", "240.0.0.0/4",
        "::/128", "::ffff:0:0/96", "64:ff9b::/96", "2001::/32", "2002::/16", "fd00:ec2::254/128", "fe80::/10", "ff00::/8",
    )
]  # fmt: skip


class AddressRefused(Exception):
    """The guard says no; the text says to what, why, and what would be accepted."""

    def __init__(self, host: str, why: str) -> None:
        super().__init__(f"{host!r}: {why}")
        self.host = host
        self.why = why


class Target(Struct, frozen=True):
    """A URL that was read once; nothing reads its text again."""

    scheme: str
    host: str
    """Lower case, IDNA-encoded, without brackets and without the final dot."""
    port: int
    path: str
    """What goes into the request line: path and query."""
    allowed: bool
    """The operator has listed the host: it may be private, plain http, and on any port."""

    @property
    def authority(self) -> str:
        """For the Host header, and as the name of the host in messages and breakers."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (_HTTPS_PORT if self.scheme == "https" else 80) else f"{host}:{self.port}"


def read_target(url: str, allow_hosts: frozenset[str]) -> Target:
    """Read a URL strictly. `allow_hosts` are hosts as `canonical_host` writes them."""
    form = _URL.fullmatch(url) if len(url) <= 8_192 else None
    if form is None:
        raise AddressRefused(
            url[:100], "not an absolute http(s) URL of at most 8192 printable characters; percent-encode the path"
        )
    authority = _AUTHORITY.fullmatch(form[2])
    if authority is None:
        raise AddressRefused(form[2][:100], "must be host or host:port; user names and passwords in a URL are refused")
    scheme, host = form[1].lower(), canonical_host(authority[1])
    port = int(authority[2]) if authority[2] else _HTTPS_PORT if scheme == "https" else 80
    allowed = host in allow_hosts
    if not 1 <= port <= 65_535:
        raise AddressRefused(host, f"{port} is not a port")
    if not allowed and (scheme != "https" or port != _HTTPS_PORT):
        raise AddressRefused(host, "only https on port 443; list the host in outbound.allow_hosts to call it otherwise")
    return Target(scheme, host, port, (form[3] or "/") + (form[4] or ""), allowed)


def canonical_host(text: str) -> str:
    """One spelling per host: lower case, IDNA, no final dot; addresses in their shortest form, other numbers refused."""
    if text.startswith("["):
        return _literal_v6(text)
    try:
        host = text.encode("idna").decode("ascii").lower() if len(text) <= 253 else ""
    except UnicodeError:
        raise AddressRefused(text[:100], "not a host name") from None
    host = host.removesuffix(".")
    if _NAME.fullmatch(host) is None:
        raise AddressRefused(text[:100], "not a host name")
    if _NUMERIC.fullmatch(host):
        # C libraries read 2130706433, 0x7f.1 and 0177.0.0.1 as 127.0.0.1; only the plain form means the same to everybody.
        try:
            return str(IPv4Address(host))
        except ValueError:
            raise AddressRefused(text[:100], "write an IPv4 address as four decimal numbers without leading zeros") from None
    return host


def admit(target: Target, addresses: Sequence[str]) -> tuple[str, ...]:
    """All addresses of the target, if every single one is acceptable; connect to these and to no other."""
    if not addresses:
        raise AddressRefused(target.host, "has no address")
    for text in addresses:
        address = _address(target, text)
        if not (is_public(address) or (target.allowed and _may_be_private(target, address))):
            raise AddressRefused(
                target.host,
                f"resolves to {text}, which is not public; if it is meant, list the host in outbound.allow_hosts",
            )
    return tuple(dict.fromkeys(addresses))[:_ADDRESSES_MAX]


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether anybody on the internet could reach it too: by our lists, and by what this Python knows of later assignments."""
    if not address.is_global or address.is_multicast:
        return False
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _DENIED_V4)
    return address in _PUBLIC_V6 and not any(address in network for network in _DENIED_V6)


def _may_be_private(target: Target, address: IPv4Address | IPv6Address) -> bool:
    return _written(address) == target.host or not any(address in network for network in _NEVER_BY_NAME)


def _address(target: Target, text: str) -> IPv4Address | IPv6Address:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise AddressRefused(target.host, f"resolves to {text!r}, which is no address") from None
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        raise AddressRefused(target.host, f"resolves to {text}, an address of one link only")
    return address


def _literal_v6(text: str) -> str:
    try:
        return _written(IPv6Address(text[1:-1]))
    except ValueError:
        raise AddressRefused(text[:100], "not an IPv6 address") from None


def _written(address: IPv4Address | IPv6Address) -> str:
    """Return the one spelling of an address; since 3.13 Python has another one for an IPv4 address that is mapped into IPv6."""
    if isinstance(address, IPv4Address) or address.ipv4_mapped is None or address.scope_id is not None:
        return str(address)
    high, low = divmod(int(address.ipv4_mapped), 2**16)
    return f"::ffff:{high:x}:{low:x}"
