"""Requests as attackers, old clients and broken proxies send them, each with the verdict it must get.

One list per class of the security checklist (reference/reliability.md, c, "Input, HTTP, DoS"), at least five bad
requests in each, and beside them the valid neighbours that must pass: a server that refuses everything is not safe, it is off.
This file says what a case is; raw_framing.py holds lies about where a request ends, raw_syntax.py malformed heads,
raw_limits.py what is too much or too late.
"""

from typing import Any

from msgspec import Struct

__all__ = ["CHUNKED", "EMPTY", "PLAIN", "Case", "bad", "good", "request"]

HOST = b"Host: example.test\r\n"
CHUNKED = b"Transfer-Encoding: chunked"
EMPTY = b"0\r\n\r\n"


class Case(Struct, frozen=True, kw_only=True):
    """Bytes and their verdict."""

    group: str
    name: str
    send: bytes
    statuses: tuple[int, ...]
    """One per answer, in order; an empty tuple is a connection that is closed without a word."""
    code: str | None = None
    """The problem's code in the last answer."""
    closes: bool = True
    drip: bytes = b""
    """Sent after `send`, again and again in small pieces, for as long as the server listens."""
    then: bytes = b""
    """Sent once the first bytes of an answer have arrived."""
    others: tuple[bytes, ...] = ()
    """What other connections have sent and hold open meanwhile."""
    policy: dict[str, Any] = {}


def bad(group: str, status: int, code: str, requests: dict[str, bytes], **options: Any) -> list[Case]:
    """Requests that share one verdict: `status`, `code`, and the end of the connection."""
    return [
        Case(group=group, name=name, send=send, statuses=(status,), code=f"http:{code}", **options)
        for name, send in requests.items()
    ]


def good(group: str, requests: dict[str, bytes], **options: Any) -> list[Case]:
    """Requests that are answered with 200, after which the connection serves another."""
    options = {"statuses": (200,), "closes": False} | options
    return [Case(group=group, name=name, send=send, **options) for name, send in requests.items()]


def request(*fields: bytes, line: bytes = b"POST /things HTTP/1.1", host: bytes = HOST, body: bytes = b"") -> bytes:
    """A request from its line, its fields without line ends, and its body as it goes over the wire."""
    return line + b"\r\n" + host + b"".join(field + b"\r\n" for field in fields) + b"\r\n" + body


PLAIN = request(line=b"GET / HTTP/1.1")
