"""How a test holds an operation where it wants it: gates by name, which count who stands at them."""

import asyncio
from collections import Counter

__all__ = ["arrived", "forget", "open_gate", "shut_after", "wait_at"]

arrived: Counter[str] = Counter()
"""How many came to each gate."""

_gates: dict[str, asyncio.Event] = {}


async def wait_at(gate: str) -> None:
    """Wait until a test opens the gate; without a name nobody waits."""
    if gate:
        arrived[gate] += 1
        await _gates.setdefault(gate, asyncio.Event()).wait()


def open_gate(gate: str) -> None:
    """Let everybody through from now on."""
    _gates.setdefault(gate, asyncio.Event()).set()


def shut_after(gate: str) -> None:
    """Let through who stands there now; the next ones wait."""
    _gates.pop(gate, asyncio.Event()).set()


def forget() -> None:
    """Begin anew."""
    arrived.clear()
    _gates.clear()
