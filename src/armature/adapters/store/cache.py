"""The answers that all processes of a machine keep, in the memory of the owner of their file."""

from collections.abc import Sequence

from armature.adapters.store.guest import Guest
from armature.kernel.refusals import Unavailable
from armature.ports.cache import Found

__all__ = ["StoreCache"]


class StoreCache:
    """`Cache` over the owner's. The database opens the connection."""

    def __init__(self, guest: Guest) -> None:
        self._guest = guest
        self._open = False

    async def open(self) -> None:
        """Begin; the connection is the database's."""
        self._guest.must_be_up()
        self._open = True

    async def close(self) -> None:
        """Ask nothing more. A second close does nothing."""
        self._open = False

    async def get(self, key: str, tags: Sequence[str]) -> Found:
        """Look up a key under the present state of its tags; one round trip."""
        self._usable()
        value, ticket = await self._guest.call("cache.get", key, list(tags))
        return Found(value, ticket)

    async def put(self, key: str, value: bytes, seconds: float, ticket: bytes) -> None:
        """Keep a value that was computed after the look-up that gave the ticket."""
        self._usable()
        await self._guest.call("cache.put", key, value, seconds, ticket)

    async def invalidate(self, tags: Sequence[str]) -> None:
        """Make everything with one of these tags unfindable; one round trip."""
        self._usable()
        await self._guest.call("cache.invalidate", list(tags))

    def _usable(self) -> None:
        if not self._open:
            raise Unavailable(what="the cache, which is closed")
