"""What a test sees and steers inside the small project: how often a command ran, and where it waits."""

import asyncio
from collections import Counter

__all__ = ["Gate", "gates", "runs"]

runs: Counter[str] = Counter()
"""How often the method of an operation was entered."""


class Gate:
    """Where a command waits, as soon as a test wants it to."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.open = asyncio.Event()

    async def pass_(self) -> None:
        """Tell that somebody is here, and wait for the test."""
        self.reached.set()
        await self.open.wait()


gates: dict[str, Gate] = {}
"""Gates by operation; none means that nobody waits."""
