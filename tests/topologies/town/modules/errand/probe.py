"""How often the query ran, where a test wants it to stop after it has read, and each process's way to wake and wait."""

import asyncio
from collections import Counter

from armature import Wakeups

__all__ = ["gates", "ran", "runs", "wakeups"]

runs: Counter[str] = Counter()
gates: dict[str, tuple[asyncio.Event, asyncio.Event]] = {}
"""By id: set when the query has read, and what it waits for before it answers."""

wakeups: list[Wakeups] = []
"""In the order in which the processes were opened."""


async def ran(about: str) -> None:
    """Count, and wait at the gate if there is one."""
    runs[about] += 1
    if about in gates:
        reached, leave = gates[about]
        reached.set()
        await leave.wait()
