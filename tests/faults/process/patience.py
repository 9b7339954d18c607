"""Waiting for what must happen: a condition and never a time. The patience is for a busy machine; only a hang uses it up."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TypeVar

__all__ = ["PATIENCE_SECONDS", "eventually"]

T = TypeVar("T")

PATIENCE_SECONDS = 30.0
_LOOK_SECONDS = 0.02


async def eventually(look: Callable[[], Awaitable[T]], otherwise: str, *, seconds: float = PATIENCE_SECONDS) -> T:
    """Return what `look` gives as soon as that is true; what it raises counts as not yet."""
    until, last = monotonic() + seconds, ""
    while monotonic() < until:
        try:
            found = await look()
            if found:
                return found
            last = repr(found)
        except Exception as error:
            last = repr(error)
        await asyncio.sleep(_LOOK_SECONDS)
    raise AssertionError(f"{otherwise}; last seen: {last}")
