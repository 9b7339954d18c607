"""Rows that cost conflicts lately: whoever wants one queues for it, instead of losing to the same crowd again (laws 5).

One conflict is no crowd: two commands met, and the one that lost decides again at once. A row is hot from the second conflict
within a second on.

Which rows a command will want is known only when it has run. So the command that lost is remembered, too, by its operation
and what its path named: the next one of that name queues at once and is spared the run that could only be in vain.
"""

import time
from collections.abc import Callable, Hashable, Sequence

from armature.ports.database import Row

__all__ = ["HotRows"]

_ROWS_MAX = 10_000
_CROWD_SECONDS = 1.0
"""Conflicts of one row that are no further apart are of one crowd."""


class HotRows:
    """Remembers rows for `seconds` after a conflict; forgetting one too early costs a conflict, so the memory is bounded."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._until: dict[Row, float] = {}
        self._lost: dict[Row, float] = {}
        self._callers: dict[Hashable, tuple[float, Sequence[Row]]] = {}

    def remember(self, caller: Hashable, rows: Sequence[Row]) -> None:
        """Note that a command of this name has lost, and which rows it wanted."""
        if len(self._callers) >= _ROWS_MAX:
            self._callers.clear()
        self._callers[caller] = (self._clock() + self._seconds, tuple(rows))

    def wanted_by(self, caller: Hashable) -> Sequence[Row] | None:
        """Return the rows that a command of this name will want, while they are hot."""
        known = self._callers.get(caller)
        if known is None:
            return None
        if known[0] > self._clock():
            return known[1]
        del self._callers[caller]
        return None

    def __bool__(self) -> bool:
        return bool(self._until)

    def lost(self, row: Row) -> bool:
        """Note a conflict on the row; say whether it is hot."""
        now = self._clock()
        if len(self._lost) >= _ROWS_MAX:
            self._lost.clear()
        before = self._lost.get(row)
        self._lost[row] = now
        if before is None or now - before > _CROWD_SECONDS:
            return False
        if len(self._until) >= _ROWS_MAX:
            self._until = {known: until for known, until in self._until.items() if until > now}
            if len(self._until) >= _ROWS_MAX:
                self._until.clear()
        self._until[row] = now + self._seconds
        return True

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
