"""Where ids and times of a recorded call come from: its place in the trace, on every topology the same.

A call finds its context in a context variable of the task that sends it, and over a link by the id of its request. A reaction's
follows from the event it takes. What else runs beside calls (roles, sweeps) has none and takes the real clock; nothing of it is
compared but what they make of events.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from uuid import UUID

from armature.engine.ids import IdSource

__all__ = ["Recorded", "answering", "asking", "new_id", "now", "taking"]

_START = datetime(2030, 1, 1, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Recorded:
    """The context of one step of a trace, or of what follows from it."""

    def __init__(self, name: str, at: datetime) -> None:
        self.now = at
        self._name = name
        self._given = 0

    @classmethod
    def step(cls, seed: int, tenant: str, number: int) -> "Recorded":
        """Return the context of a request."""
        return cls(f"{seed}\0{tenant}\0{number}", _START + timedelta(milliseconds=number))

    def new_id(self) -> UUID:
        """Return the step's next id: a UUIDv7 whose random part is a hash of the step, so that ids sort as the steps do."""
        self._given += 1
        bits = int.from_bytes(blake2b(f"{self._name}\0{self._given}".encode(), digest_size=8).digest()) & (1 << 62) - 1
        milliseconds = (self.now - _EPOCH) // timedelta(milliseconds=1)
        return UUID(int=milliseconds << 80 | 7 << 76 | (self._given & 0xFFF) << 64 | 2 << 62 | bits)


_current: ContextVar[Recorded | None] = ContextVar("armature_recorded", default=None)
_asked: dict[str, Recorded] = {}
_ids = IdSource()


def now() -> datetime:
    """Return the time of the call, or the real one outside of calls."""
    recorded = _current.get()
    return recorded.now if recorded is not None else datetime.now(UTC)


def new_id() -> UUID:
    """Return the next id of the call, or a real one outside of calls."""
    recorded = _current.get()
    return recorded.new_id() if recorded is not None else _ids.new()


@contextmanager
def taking(reaction: str, event_id: UUID, occurred_at: datetime) -> Iterator[None]:
    """Let a reaction's ids and time follow from the event that it takes."""
    before = _current.set(Recorded(f"{reaction}\0{event_id}", occurred_at))
    try:
        yield
    finally:
        _current.reset(before)


@contextmanager
def asking(request_id: str, recorded: Recorded) -> Iterator[None]:
    """Let a request, and what other processes do for it, have the ids and the time of its step."""
    before = _current.set(recorded)
    _asked[request_id] = recorded
    try:
        yield
    finally:
        del _asked[request_id]
        _current.reset(before)


@contextmanager
def answering(request_id: str) -> Iterator[None]:
    """Let what is done for a request that came to another process have the ids and the time of its step."""
    before = _current.set(_asked.get(request_id))
    try:
        yield
    finally:
        _current.reset(before)
