"""How a call can end other than well. A refusal is an answer that says no and why; everything else is the lack of an answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, get_type_hints

import msgspec
from msgspec import Struct

__all__ = ["ApiError", "FieldError", "NoAnswer", "Problem", "Refused", "TooLate", "Unreadable", "refused"]

_WORDS = ("title", "detail", "kind", "code", "instance", "trace_id")
_TRANSIENT = frozenset([429, 503, 504])
# The first call with this key has no verdict yet: asking again is how it is learned.
_IN_FLIGHT = "idempotency:in_flight"


class FieldError(Struct, frozen=True):
    """One thing wrong with one field of a request; `path` is dotted (`items.0.name`)."""

    path: str
    message: str


class Problem(Struct, frozen=True):
    """What the server said, as RFC 9457 has it; `members` is all of it, as plain values."""

    status: int
    title: str = ""
    detail: str = ""
    kind: str = ""
    code: str = ""
    instance: str = ""
    trace_id: str = ""
    members: dict[str, Any] = {}


class ApiError(Exception):
    """Base of everything a call raises. `request_id` finds the call in the server's log."""

    def __init__(self, text: str, request_id: str) -> None:
        super().__init__(text)
        self.request_id = request_id


class Refused(ApiError):
    """The server answered, and refused. Codes that this package knows have a class of their own with typed fields."""

    code: ClassVar[str] = ""
    """The code of this class; what the server said is `problem.code`."""
    wires: ClassVar[Mapping[str, str]] = {}
    """What the problem calls a field, where this class has to call it otherwise."""

    def __init__(self, problem: Problem, request_id: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(f"{problem.code or problem.status}: {problem.detail or problem.title}", request_id)
        self.problem = problem
        self.retry_after_seconds = retry_after_seconds
        for name, wire, hint in _fields(type(self)):
            setattr(self, name, msgspec.convert(problem.members[wire], hint))

    @property
    def transient(self) -> bool:
        """Whether the same call may succeed a little later."""
        return self.problem.status in _TRANSIENT or self.problem.code == _IN_FLIGHT


class NoAnswer(ApiError):
    """Nothing came back, so a command may or may not have happened; repeat it with the same `key` to learn which."""

    def __init__(self, text: str, request_id: str, *, key: str | None = None, sent: bool = True) -> None:
        super().__init__(text, request_id)
        self.key = key
        self.sent = sent
        """False when no connection was made: then certainly nothing happened."""


class TooLate(NoAnswer):
    """The deadline of the call passed before an answer came."""


class Unreadable(ApiError):
    """An answer is not what the contract says; this package is older or newer than the server."""


_hints: dict[type, list[tuple[str, str, Any]]] = {}


def _fields(kind: type[Refused]) -> list[tuple[str, str, Any]]:
    """The fields of a class: its name for them, the name in the problem, the type."""
    if kind not in _hints:
        own = {name: hint for name, hint in get_type_hints(kind).items() if name not in ("code", "wires")}
        _hints[kind] = [(name, kind.wires.get(name, name), hint) for name, hint in own.items()]
    return _hints[kind]


def refused(kinds: Mapping[str, type[Refused]], status: int, body: bytes, request_id: str, wait: float | None) -> Refused:
    """Return the refusal that an answer is: of its own class where the code is known and its fields are there."""
    problem = _problem(status, body)
    kind = kinds.get(problem.code, Refused)
    try:
        return kind(problem, request_id, wait)
    except (KeyError, msgspec.ValidationError):
        return Refused(problem, request_id, wait)


def _problem(status: int, body: bytes) -> Problem:
    # A proxy on the way answers in its own words; the status is then all there is.
    try:
        members = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Problem(status, detail=body[:200].decode(errors="replace"))
    words = {name: members[name] for name in _WORDS if isinstance(members.get(name), str)}
    return Problem(status, **words, members=members)
