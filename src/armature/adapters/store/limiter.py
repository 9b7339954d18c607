"""Calls counted together by all processes of a machine, in the memory of the owner of their file."""

from armature.adapters.store.guest import Guest
from armature.ports.limiter import Rate

__all__ = ["StoreLimiter"]


class StoreLimiter:
    """`Limiter` over the owner's. The database opens the connection."""

    def __init__(self, guest: Guest) -> None:
        self._guest = guest

    async def check(self, key: str, rate: Rate) -> float:
        """Admit one call now (0.0), or say in how many seconds the next one will be admitted."""
        found: float = await self._guest.call("limiter.check", key, rate.count, rate.period_seconds)
        return found
