"""What the load generator says: request bytes made so cheaply that making them is not what gets measured.

Everything that does not change is rendered once. Only the idempotency key is new each time, since a repeated key would
measure the replay of an answer and not a commit.
"""

import random
from collections.abc import Callable
from typing import Literal

__all__ = ["Kind", "Make", "maker", "render"]

Kind = Literal["read", "increment", "transfer", "post"]
Make = Callable[[], bytes]

# Six fields with a length, a range, a closed list, a time and an optional one: what a form usually carries.
FORM = b'{"name":"spring stock","kind":"goods","quantity":12,"price":19.5,"at":"2026-03-01T10:00:00Z","note":"second delivery"}'


def render(method: str, path: str, tenant: str, body: bytes | None = None) -> bytes:
    """Return one HTTP/1.1 request without an idempotency key."""
    lines = [f"{method} {path} HTTP/1.1", "Host: bench", f"X-Tenant-ID: {tenant}"]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b"")


def maker(kind: Kind, ids: list[str], tenant: str, draw: random.Random) -> Make:
    """Return a function that makes the next request; counters are drawn uniformly from `ids`."""
    if kind == "post":
        form = render("POST", "/v1/echo", tenant, FORM)
        return lambda: form
    if kind == "read":
        return _any_of([render("GET", f"/v1/counters/{id_}", tenant) for id_ in ids], draw)
    if kind == "increment":
        return _keyed([_split(f"/v1/counters/{id_}/increment", tenant, b'{"by":1}') for id_ in ids], draw)
    return _transfers(ids, tenant, draw)


def _split(path: str, tenant: str, body: bytes) -> tuple[bytes, bytes]:
    """Render a command in two halves; the idempotency key goes between them."""
    head, rest = render("POST", path, tenant, body).split(b"\r\n\r\n", 1)
    return head + b"\r\nIdempotency-Key: ", b"\r\n\r\n" + rest


def _any_of(ready: list[bytes], draw: random.Random) -> Make:
    count, dice = len(ready), draw.random
    return lambda: ready[int(dice() * count)]


def _keyed(halves: list[tuple[bytes, bytes]], draw: random.Random) -> Make:
    count, dice, bits = len(halves), draw.random, draw.getrandbits

    def make() -> bytes:
        # Random keys, as clients send them: keys that count up would be kinder to the index than life is.
        head, tail = halves[int(dice() * count)]
        return b"%b%032x%b" % (head, bits(128), tail)

    return make


def _transfers(ids: list[str], tenant: str, draw: random.Random) -> Make:
    """Move one from a counter to another; 4 096 pairs drawn beforehand stand for all of them."""
    pairs = [draw.sample(ids, 2) for _ in range(4_096)]
    return _keyed([_split(f"/v1/counters/{a}/transfer", tenant, b'{"to":"%b","by":1}' % b.encode()) for a, b in pairs], draw)
