"""How often the shelf's queries ran, and where a test wants one to stop after it has read."""

import asyncio
from collections import Counter

__all__ = ["gates", "ran", "runs"]

runs: Counter[str] = Counter()
gates: dict[str, tuple[asyncio.Event, asyncio.Event]] = {}
"""By query: set when it has read, and what it waits for before it answers."""


async def ran(query: str) -> None:
    """Count, and wait at the gate if there is one."""
    runs[query] += 1
    if query in gates:
        reached, leave = gates[query]
        reached.set()
        await leave.wait()
