"""What one call is: where it goes, what it carries, and what its answer means. Nothing here touches a network."""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlencode

import msgspec
from msgspec import UNSET, Struct

from ._refusals import NoAnswer, Refused

__all__ = [
    "Answered",
    "Call",
    "Operation",
    "Options",
    "Sent",
    "Version",
    "ask",
    "etag",
    "joined",
    "never",
    "nothing",
    "repeatable",
]

T = TypeVar("T")

Version = int | str
"""The version of a thing: the number it carries, an entity tag as it was sent, or `*` for whichever there is."""

_HEADER = re.compile(r"[\t\x20-\x7e]*").fullmatch


class Answered(Struct, frozen=True):
    """What an answer says beside its value."""

    status: int
    request_id: str
    replayed: bool
    """True when an earlier call with the same key had done it already."""
    position: str | None
    etag: str | None


class Options(Struct, frozen=True, kw_only=True):
    """How a client behaves; every value may be kept."""

    token: str | Callable[[], str] | None = None
    """The bearer token, or what gives one for each attempt."""
    headers: Mapping[str, str] = {}
    """Sent with everything."""
    traceparent: Callable[[], str | None] | None = None
    """Gives the trace that a call belongs to (W3C Trace Context)."""
    deadline_seconds: float = 30.0
    """How long a call may take, repeats included; a walk over pages has so long for each page."""
    attempts_max: int = 5
    pause_seconds: float = 0.1
    """The first pause before a repeat is at most so long, each further one at most twice the one before."""
    pause_seconds_max: float = 10.0
    budget: float = 0.1
    """Repeats for each call, over all calls: a server in trouble is not asked many times more often than usual."""
    budget_spare: float = 10.0
    """Repeats that are possible beyond that before the budget is empty."""
    read_own_writes: bool = True
    """Queries wait a moment for read models to have seen this client's last command."""
    silence_seconds: float = 45.0
    """A feed that says nothing for so long is opened again; the server says something every 15 seconds."""
    feed_attempts_max: int = 50
    """A feed gives up after so many openings in a row that brought nothing."""


class Call(Struct, frozen=True, kw_only=True):
    """What one call may say beside its arguments."""

    key: str | None = None
    """The idempotency key of a command; one is made when none is given."""
    position: str | None = None
    """Queries wait for this position instead of the client's own."""
    deadline_seconds: float | None = None
    traceparent: str | None = None
    headers: Mapping[str, str] = {}
    told: Callable[[Answered], None] | None = None
    """Hears what the answer says beside its value."""


class Operation(Struct, Generic[T], frozen=True, kw_only=True):
    """An operation of the contract. `decode` reads its answer, `events` those of a feed."""

    name: str
    method: str
    path: str
    decode: Callable[[bytes], T]
    in_path: tuple[str, ...] = ()
    in_body: bool = False
    query: bool = False
    takes_key: bool = False
    unsaid: tuple[str, ...] = ()
    """What a query string cannot say of an argument, as `name=null` or `name=[]`: left out, it would be its default."""
    refusals: Mapping[str, type[Refused]]
    events: Mapping[str, Callable[[bytes], T]] = {}


class Sent(Struct):
    """A request, the same for each attempt; only the token may change."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes | None
    key: str | None
    request_id: str


def ask(operation: Operation[T], arguments: Mapping[str, Any], call: Call, options: Options) -> Sent:
    """Return the request for a call of an operation; raises ValueError for what a request cannot say."""
    given = {name: value for name, value in arguments.items() if value is not UNSET}
    path = operation.path
    for name in operation.in_path:
        path = path.replace(f"{{{name}}}", _segment(name, given.pop(name)))
    headers = {"x-request-id": str(uuid.uuid4()), **{k.lower(): v for k, v in {**options.headers, **call.headers}.items()}}
    trace = call.traceparent or (options.traceparent() if options.traceparent else None)
    if trace:
        headers["traceparent"] = trace
    key = (str(uuid.uuid4()) if call.key is None else call.key) if operation.takes_key else None
    if key is not None:
        headers["idempotency-key"] = key
    for name, text in headers.items():
        if not _HEADER(text):
            raise ValueError(f"{name}: a header holds printable ASCII only, got {text!r}")
    body = None
    if operation.in_body:
        headers["content-type"] = "application/json"
        body = msgspec.json.encode(given)
        if b"null" in body:
            _refuse_endless(msgspec.to_builtins(given), "")
    elif given:
        path += "?" + urlencode([pair for name, value in given.items() for pair in _pairs(operation, name, value)])
    return Sent(operation.method, path, headers, body, key, headers["x-request-id"])


def etag(version: Version) -> str:
    """Return a version as If-Match and If-None-Match have it."""
    text = str(version)
    return text if text == "*" or text.startswith(('"', "W/")) else f'"{text}"'


def joined(known: str | None, told: str) -> str:
    """Return the newest position of each log: modules may have logs of their own, and each position says whose it is."""
    newest = {one.rpartition(":")[0]: one for one in (*(known or "").split(","), *told.split(",")) if one}
    return ",".join(newest[log] for log in sorted(newest))


def repeatable(operation: Operation[T], error: Refused | NoAnswer) -> bool:
    """Say whether a repeat can help and cannot harm: a command without a key is repeated only if nothing can have happened."""
    safe = operation.query or operation.takes_key
    if isinstance(error, Refused):
        return error.transient and (safe or error.problem.status == 429)
    return safe or not error.sent


def _segment(name: str, value: Any) -> str:
    text = _text(value)
    if text in ("", ".", ".."):
        raise ValueError(f"{name}: {text!r} cannot stand in a path; it would name another thing")
    return quote(text, safe="")


def _refuse_endless(value: Any, path: str) -> None:
    """Refuse numbers that JSON does not have; they would be sent as null."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{path}: {value} is no number in JSON")
    if isinstance(value, dict | list):
        for name, one in value.items() if isinstance(value, dict) else enumerate(value):
            _refuse_endless(one, f"{path}.{name}".lstrip("."))


def _pairs(operation: Operation[T], name: str, value: Any) -> list[tuple[str, str]]:
    if f"{name}={'null' if value is None else value}" in operation.unsaid:
        raise ValueError(f"{name}: a query string cannot say {value!r}; leave it out for its default, or give another value")
    if value is None:
        return []  # a query string has no null; what is left out has its default
    if isinstance(value, list):
        return [(name, _text(one)) for one in value]
    return [(name, _text(value))]


def _text(value: Any) -> str:
    plain = msgspec.to_builtins(value)
    return ("true" if plain else "false") if isinstance(plain, bool) else str(plain)


def nothing(_: bytes) -> None:
    """Read an answer that has no content."""


def never(_: bytes) -> Any:
    """Read the answer of what has none: a feed, whose events come one by one."""
    raise AssertionError("a feed has no answer")
