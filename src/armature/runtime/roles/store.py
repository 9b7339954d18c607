"""The role that owns the file: it serves the database to the other processes of this machine."""

import asyncio
from typing import Protocol

__all__ = ["Serving", "StoreRole"]


class Serving(Protocol):
    """Serves the database to others."""

    listens: bool

    async def open(self) -> None:
        """Listen."""
        ...

    async def close(self) -> None:
        """Give everybody a verdict and hang up."""
        ...


class StoreRole:
    """Listens from its start to its end."""

    def __init__(self, server: Serving) -> None:
        self._server = server
        self._opening: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to listen."""
        self._opening = asyncio.create_task(self._server.open(), name="store")

    async def stop(self) -> None:
        """Give everybody a verdict and hang up."""
        if self._opening is not None:
            await asyncio.gather(self._opening, return_exceptions=True)
        await self._server.close()

    def readiness(self) -> list[str]:
        """Return why nobody can write through this process."""
        if self._opening is not None and self._opening.done() and (error := self._opening.exception()) is not None:
            return [f"store: {error}"]
        return [] if self._server.listens else ["store: it does not listen yet"]
