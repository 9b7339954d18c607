"""A cache in this process's memory: bounded by bytes, what was used least leaves first.

The state of a tag is a number that is given only once, so a tag that was forgotten comes back in a state no entry knows.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from time import monotonic

from msgspec import Struct

from armature.kernel.refusals import Unavailable
from armature.ports.cache import Found

__all__ = ["MemoryCache"]

_STORE_BYTES = 67_108_864
_VALUE_BYTES = 1_048_576
# What an entry costs beside its key and value: two dictionary slots and the objects.
_OVERHEAD_BYTES = 200
# No key of an entry begins with a NUL.
_TAG = "\0"


class _Kept(Struct, gc=False):
    """An entry, or the state of a tag: which has its number as the ticket and no value. Both leave in one order."""

    ticket: bytes
    size: int
    value: bytes = b""
    until: float = 0.0


class MemoryCache:
    """`Cache` of one process; `clock` gives seconds that never go back."""

    def __init__(
        self,
        *,
        store_bytes_max: int = _STORE_BYTES,
        value_bytes_max: int = _VALUE_BYTES,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.store_bytes_max = store_bytes_max
        self.value_bytes_max = value_bytes_max
        self.size = 0
        """Bytes in use, tags included."""
        self._clock = clock
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._given = 0
        self._open = False

    async def open(self) -> None:
        """Begin."""
        self._open = True

    async def close(self) -> None:
        """Forget everything. A second close does nothing."""
        self._open = False
        self._kept.clear()
        self.size = 0

    async def get(self, key: str, tags: Sequence[str]) -> Found:
        """Look up a key under the present state of its tags."""
        self._usable()
        ticket = b",".join([self._state(tag) for tag in tags])
        entry = self._kept.get(key)
        if entry is None or entry.ticket != ticket:
            return Found(None, ticket)
        if entry.until <= self._clock():
            self._drop(key)
            return Found(None, ticket)
        self._kept.move_to_end(key)
        return Found(entry.value, ticket)

    async def put(self, key: str, value: bytes, seconds: float, ticket: bytes) -> None:
        """Store a value that was computed after the look-up that gave the ticket."""
        self._usable()
        if len(value) <= self.value_bytes_max and seconds > 0:
            size = len(key) + len(value) + len(ticket) + _OVERHEAD_BYTES
            self._keep(key, _Kept(ticket, size, value, self._clock() + seconds))

    async def invalidate(self, tags: Sequence[str]) -> None:
        """Make everything with one of these tags unfindable."""
        self._usable()
        for tag in tags:
            self._drop(_TAG + tag)

    def _state(self, tag: str) -> bytes:
        name = _TAG + tag
        kept = self._kept.get(name)
        if kept is not None:
            self._kept.move_to_end(name)
            return kept.ticket
        self._given += 1
        state = b"%d" % self._given
        self._keep(name, _Kept(state, len(name) + _OVERHEAD_BYTES))
        return state

    def _keep(self, name: str, kept: _Kept) -> None:
        self._drop(name)
        self._kept[name] = kept
        self.size += kept.size
        while self.size > self.store_bytes_max and self._kept:
            self._drop(next(iter(self._kept)))

    def _drop(self, name: str) -> None:
        kept = self._kept.pop(name, None)
        if kept is not None:
            self.size -= kept.size

    def _usable(self) -> None:
        if not self._open:
            raise Unavailable(what="the cache, which is closed")
