"""What a log line knows of the call it belongs to, and which answered requests deserve a line.

Framework code logs through the standard library, `logging.getLogger("armature.<area>")` with fields in `extra`; an adapter
renders. The call's fields are not bound to anything while it runs, which would cost each call some microseconds for lines
that are mostly never written: the edge sets `CALL` to something that can name them, and a line that is written asks it.
"""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from time import monotonic
from typing import Literal

from msgspec import Struct

__all__ = ["CALL", "ERROR_LINES_PER_SECOND", "AccessLog", "CallFields", "Fields"]

Fields = Mapping[str, object]

CALL: ContextVar[Callable[[], Fields] | None] = ContextVar("armature_call", default=None)
"""Set to e.g. a `CallFields(...).read` for as long as a call runs; a request's task ends with its context, so no reset."""

# Lines of refused calls per second: a flood of refusals must not become a flood of lines, which cost more than they do.
ERROR_LINES_PER_SECOND = 100


class CallFields(Struct, gc=False):
    """The fields every line of a call carries; empty ones are left out."""

    request_id: str = ""
    trace_id: str | None = None
    tenant: str = ""
    actor: str = ""
    operation: str = ""

    def read(self) -> Fields:
        """Name what is known by now."""
        return {name: value for name in self.__struct_fields__ if (value := getattr(self, name))}


class AccessLog:
    """Decides whether an answered request gets a line.

    `none`: never; `errors`: from status 400 on, at most `ERROR_LINES_PER_SECOND`; `all`: always. For an ordinary answer the
    decision is one comparison: `if status >= access.threshold and access.wants(): ...`.
    """

    def __init__(self, mode: Literal["none", "errors", "all"], *, clock: Callable[[], float] = monotonic) -> None:
        self.threshold = {"none": 1_000_000, "errors": 400, "all": 0}[mode]
        self._capped = mode == "errors"
        self._clock = clock
        self._second = 0
        self._lines = 0
        self._held = 0

    def wants(self) -> bool:
        """Say whether there is room for this line; what is held back is counted for `held_back`."""
        if not self._capped:
            return True
        second = int(self._clock())
        if second != self._second:
            self._second, self._lines = second, 0
        self._lines += 1
        if self._lines > ERROR_LINES_PER_SECOND:
            self._held += 1
            return False
        return True

    def held_back(self) -> int:
        """Return how many lines were held back since the last call: a field of the next line, if it is not 0."""
        held, self._held = self._held, 0
        return held
