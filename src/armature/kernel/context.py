"""Who calls, until when, and as part of what; and the only clock, ids and cursors a module needs."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar
from uuid import UUID

from armature.kernel.page import Page
from armature.kernel.work import Work

__all__ = ["Context"]

T = TypeVar("T")


class Context(Protocol):
    """Handed to every operation as its first argument.

    Everything that differs between two runs of the same call comes from here, so that a recorded call can be run again.
    """

    @property
    def tenant(self) -> str:
        """The customer whose data this call may see."""
        ...

    @property
    def actor(self) -> str:
        """Who calls; empty for a public operation called by nobody known."""
        ...

    @property
    def permissions(self) -> frozenset[str]:
        """What the actor may do; `*` is everything."""
        ...

    @property
    def request_id(self) -> str:
        """The id of the request at the edge, also in its answer and its log lines."""
        ...

    @property
    def trace(self) -> str | None:
        """The W3C traceparent of this call, None when nobody traces."""
        ...

    @property
    def deadline(self) -> float:
        """When the answer is no longer wanted, in seconds of `time.monotonic()`."""
        ...

    @property
    def deciding(self) -> bool:
        """True while a command decides: it may run again, so nothing with an effect may be called (laws 6)."""
        ...

    @property
    def now(self) -> datetime:
        """The time of this call, UTC; it stands still while the call runs."""
        ...

    @property
    def work(self) -> Work:
        """The unit of work of this call."""
        ...

    def new_id(self) -> UUID:
        """Return a new UUIDv7 (RFC 9562)."""
        ...

    def after(self, cursor: str | None, kind: type[T]) -> T | None:
        """Open a cursor: None for the first page; a forged or foreign one is refused as invalid."""
        ...

    def page(self, rows: Sequence[T], limit: int, key: Callable[[T], Any]) -> Page[T]:
        """Make a page of `limit` items from up to `limit + 1` rows; `key` gives what the next page starts after."""
        ...
