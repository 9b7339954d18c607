"""Limits while the store that processes count in is away: each process counts alone, and says so.

A caller may then do as often as there are processes what it may do once; that is better than refusing everybody. What must
never be done too often (`closed` says which keys) is refused until the store is back.
"""

import logging
from collections.abc import Callable
from time import monotonic

from armature.kernel.refusals import Unavailable
from armature.ports.limiter import Limiter, Rate

__all__ = ["SharedLimiter"]

log = logging.getLogger("armature.limiter")

# How long a store that failed is not asked, and how often it is said that it does.
_AWAY_SECONDS = 1.0
_SAID_SECONDS = 60.0


class SharedLimiter:
    """`Limiter` over a shared one, with a local one for the time the other is away."""

    def __init__(
        self,
        shared: Limiter,
        local: Limiter,
        *,
        closed: Callable[[str], bool] = lambda key: False,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._shared = shared
        self._local = local
        self._closed = closed
        self._clock = clock
        self._away_until = 0.0
        self._said_at = -_SAID_SECONDS

    async def check(self, key: str, rate: Rate) -> float:
        """Admit one call now (0.0), or say in how many seconds the next one will be admitted."""
        now = self._clock()
        if now >= self._away_until or self._closed(key):
            try:
                return await self._shared.check(key, rate)
            except Unavailable as error:
                self._away_until = self._clock() + _AWAY_SECONDS
                if now - self._said_at >= _SAID_SECONDS:
                    self._said_at = now
                    log.warning("limits are counted by each process alone: %s", error)
                if self._closed(key):
                    raise
        return await self._local.check(key, rate)
