"""A closed loop within one process: each caller asks again as soon as it has its answer. What came of it is told as JSON."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from msgspec import Struct

__all__ = ["CALLERS", "Ask", "Told", "closed", "tell"]

Ask = Callable[[], Awaitable[Any]]

CALLERS = 32
"""A crowd: enough to keep whoever answers busy."""

_WARM = 50


class Told(Struct):
    """How many calls in how many seconds, how many were refused, how long one took, and how busy the callers' core was."""

    calls: int
    seconds: float
    refused: int
    p50_ms: float
    p99_ms: float
    busy_share: float = 0.0

    @property
    def per_second(self) -> float:
        return self.calls / self.seconds


async def closed(ask: Ask, callers: int, seconds: float, *, refusal: type[Exception] | tuple[()] = ()) -> Told:
    """Let so many callers ask for so long. A `refusal` is counted, anything else that is raised ends the run."""
    for _ in range(_WARM):
        await ask()
    waits: list[float] = []
    refused = 0
    burnt, began = time.process_time(), time.perf_counter()
    until = began + seconds

    async def caller() -> None:
        nonlocal refused
        while (sent := time.perf_counter()) < until:
            try:
                await ask()
            except refusal:
                refused += 1
            waits.append(time.perf_counter() - sent)

    await asyncio.gather(*(caller() for _ in range(callers)))
    took, busy = time.perf_counter() - began, time.process_time() - burnt
    waits.sort()
    p50, p99 = waits[len(waits) // 2], waits[int(len(waits) * 0.99)]
    return Told(len(waits), took, refused, p50 * 1e3, p99 * 1e3, busy / took)


def tell(told: object) -> None:
    """Print it as one line of JSON, for the row that started this process."""
    sys.stdout.write(msgspec.json.encode(told).decode() + "\n")
