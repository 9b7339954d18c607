"""How often somebody may do something: one verb, shared by every process that must count together.

Laws (`armature.conformance.limiter` proves each of them):

1. Of one key, in any stretch of `t` seconds, at most `count + count * t / period` calls are admitted.
2. The answer to a refused call is true: a call after exactly that many seconds is admitted, if no other came between.
3. A refused call costs nothing: asking too often never moves the moment at which one is admitted again.
4. Keys do not touch each other, and one key under two rates is two keys.
5. Memory is bounded. Under pressure, keys that are full again (which forget nothing by leaving) leave first.
"""

import re
from typing import Protocol, Self

from msgspec import Struct

__all__ = ["Limiter", "Rate"]

_FORM = re.compile(r"\s*([1-9][0-9]{0,8})\s*/\s*([1-9][0-9]{0,5})?\s*([a-z]+)\s*")
_PERIODS = {"s": 1.0, "second": 1.0, "m": 60.0, "minute": 60.0, "h": 3_600.0, "hour": 3_600.0, "d": 86_400.0, "day": 86_400.0}
_ACCEPTED = "'10/second', '10/minute', '100/hour', '1000/day', or with a length: '10/30s', '5/15m', '20/6h', '50/7d'"


class Rate(Struct, frozen=True):
    """So many calls in a period. All of them may come at once; then one more each `period_seconds / count`."""

    count: int
    period_seconds: float

    def __post_init__(self) -> None:
        if self.count < 1 or not 0 < self.period_seconds < float("inf"):
            raise ValueError(f"a rate needs at least one call in a positive period, not {self.count} in {self.period_seconds} s")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a rate as it is written in a contract or in `policies.yaml`."""
        form = _FORM.fullmatch(text.lower())
        if form is None or form[3] not in _PERIODS:
            raise ValueError(f"{text!r} is not a rate; accepted: {_ACCEPTED}")
        return cls(int(form[1]), int(form[2] or 1) * _PERIODS[form[3]])


class Limiter(Protocol):
    """Counts calls by key."""

    async def check(self, key: str, rate: Rate) -> float:
        """Admit one call now (0.0), or say in how many seconds the next one will be admitted."""
        ...
