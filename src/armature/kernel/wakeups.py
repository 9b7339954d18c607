"""How a module waits for something that happens on whichever node, and says that it happened."""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

__all__ = ["Wakeups"]

T = TypeVar("T")


class Wakeups(Protocol):
    """Asked for in `Needs` by what waits (`http.py`) and what wakes (`background.py`), never by a service (laws 6).

    Keys are the module's own; tenants and modules do not meet. Nothing may depend on a wake-up arriving, so `wait` also looks
    by itself now and then.
    """

    async def wait(self, tenant: str, key: str, look: Callable[[], Awaitable[T | None]], deadline: float) -> T | None:
        """Return what `look` returns as soon as it is not None; None when `deadline` has passed.

        `deadline` is on the clock of `ctx.deadline`; a route of `http.py`, which has none, waits by `armature.http.wait`. What
        `look` raises is raised.
        """
        ...

    async def wake(self, tenant: str, key: str) -> None:
        """Make everybody look who waits for this now, on every node. To be called when what they look for is committed.

        A signal that cannot be sent is not an error: they look by themselves every two seconds.
        """
        ...
