"""The limiter of one process: no other process counts with it, and a restart forgets it.

That is right for the embedded topology, where there is no other process. A fleet needs a limiter that all replicas share.
"""

import time
from collections.abc import Callable

from armature.engine.rate import Gcra, Rate

__all__ = ["MemoryLimiter"]


class MemoryLimiter:
    """`Limiter` over one `Gcra` per rate; rates come from contracts and policies, so there are few of them."""

    def __init__(self, *, keys_max: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._keys_max = keys_max
        self._clock = clock
        self._by_rate: dict[Rate, Gcra] = {}

    async def check(self, key: str, rate: Rate) -> float:
        """Admit one call now (0.0), or say in how many seconds the next one will be admitted."""
        gcra = self._by_rate.get(rate)
        if gcra is None:
            gcra = self._by_rate[rate] = Gcra(rate, keys_max=self._keys_max)
        return gcra.check(key, self._clock())

    @property
    def keys(self) -> int:
        """How many keys are remembered now, over all rates."""
        return sum(map(len, self._by_rate.values()))
