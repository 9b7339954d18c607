"""Each limiter keeps the laws of its port."""

from armature.adapters.memory.limiter import MemoryLimiter
from armature.conformance.limiter import LimiterLaws, MovedClock
from armature.ports.limiter import Limiter


class TestMemoryLimiter(LimiterLaws):
    KEYS_MAX = 50

    def limiter(self, clock: MovedClock) -> Limiter:
        self.made = MemoryLimiter(keys_max=self.KEYS_MAX, clock=clock)
        return self.made

    def remembered(self) -> int:
        return self.made.keys
