"""One way to ask, measured twice: by one caller, whose waits are its latency, and by a crowd, whose rate is its ceiling.

Pure, so that what is shown and what is void can be tested without a measurement.
"""

from collections.abc import Sequence
from statistics import median

from msgspec import Struct, field

from bench.closed import CALLERS, Told

__all__ = ["HEADS", "Loop", "Wire", "cells", "in_markdown"]

HEADS = (
    "one counter, asked by",
    "what travels",
    "1 caller: p50 ms",
    "p99 ms",
    f"{CALLERS} callers: calls/s",
    "p50 ms",
    "callers' core",
    "claimed elsewhere, ms",
)
_CLAIMED = (
    "Claimed elsewhere: by the Rust system these requirements come from, for a direct call, gRPC within and HTTP from outside; "
    "it names neither load nor machine, and has no script for it. In parentheses: (largest - smallest) / median over the rounds."
)


class Loop(Struct):
    """What a number of callers saw: a value of each round."""

    per_second: list[float] = []
    p50_ms: list[float] = []
    p99_ms: list[float] = []
    busy_share: list[float] = []

    def take(self, told: Told) -> None:
        """Add a round."""
        self.per_second.append(told.per_second)
        self.p50_ms.append(told.p50_ms)
        self.p99_ms.append(told.p99_ms)
        self.busy_share.append(told.busy_share)


class Wire(Struct):
    """A way to ask, and in words what goes over it. `claimed_ms` is another system's figure for its like."""

    name: str
    travels: str
    claimed_ms: float | None = None
    alone: Loop = field(default_factory=Loop)
    crowd: Loop = field(default_factory=Loop)
    missing: str | None = None


def cells(wire: Wire) -> tuple[str, ...]:
    """Return the wire's line of a table, one text for each of `HEADS`."""
    claimed = "" if wire.claimed_ms is None else f"{wire.claimed_ms:g}"
    if not wire.crowd.per_second:
        return wire.name, wire.travels, "not there", "", "", "", "", claimed
    return (
        wire.name,
        wire.travels,
        f"{_ms(wire.alone.p50_ms)} ({_spread(wire.alone.p50_ms):.0%})",
        _ms(wire.alone.p99_ms),
        f"{median(wire.crowd.per_second):,.0f} ({_spread(wire.crowd.per_second):.0%})",
        _ms(wire.crowd.p50_ms),
        f"{median(wire.crowd.busy_share):.0%}",
        claimed,
    )


def in_markdown(wires: Sequence[Wire]) -> list[str]:
    """Return the lines of a table for the documents, with what has to be said under it."""
    lines = [HEADS, ("---",) * len(HEADS), *(tuple(cell.replace("|", "/") for cell in cells(one)) for one in wires)]
    return [*(f"| {' | '.join(line)} |" for line in lines), "", _CLAIMED]


def _ms(values: list[float]) -> str:
    """Three digits that count: a direct call takes microseconds, a crowd's milliseconds."""
    return f"{median(values):#.3g}".rstrip(".")


def _spread(values: list[float]) -> float:
    return (max(values) - min(values)) / median(values)
