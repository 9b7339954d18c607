"""Rows that cost a conflict lately: whoever wants one queues for it, instead of losing to the same crowd again (laws 5)."""

import time
from collections.abc import Callable, Sequence

from armature.ports.database import Row

__all__ = ["HotRows"]

_ROWS_MAX = 10_000


class HotRows:
    """Remembers rows for a second. Forgetting one too early costs a conflict, nothing else, so the memory is bounded."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._until: dict[Row, float] = {}

    def __bool__(self) -> bool:
        return bool(self._until)

    def heat(self, row: Row) -> None:
        """Note a conflict on the row."""
        now = self._clock()
        if len(self._until) >= _ROWS_MAX:
            self._until = {known: until for known, until in self._until.items() if until > now}
            if len(self._until) >= _ROWS_MAX:
                self._until.clear()
        self._until[row] = now + self._seconds

    def any(self, rows: Sequence[Row]) -> bool:
        """Say whether one of the rows is hot; those that have cooled are forgotten."""
        found = False
        for row in rows:
            until = self._until.get(row)
            if until is not None:
                if until > self._clock():
                    found = True
                else:
                    del self._until[row]
        return found
