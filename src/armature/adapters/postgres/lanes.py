"""A pool of connections that modules share, each under its own role.

Not the driver's pool: that one resets every connection on its way back (a round trip), and knows nothing of roles. Here a
connection keeps its session's role and is given first to who needs that role. What broke, was cancelled or comes back inside
a transaction is closed and never handed out again; a new one is made when it is needed, so a restart of the server or a
failover needs no help.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from time import monotonic

from armature.adapters.postgres.connection import LaneConnection, connect
from armature.adapters.postgres.settings import PostgresSettings
from armature.adapters.postgres.trouble import is_lost
from armature.kernel.refusals import Unavailable

__all__ = ["Lanes"]

_CLOSE_SECONDS = 1.0
"""How long a connection may take to say goodbye, and a cancelled statement to end, before the socket is closed."""


class Lanes:
    """At most `size` connections to the settings' database; waiting for one is bounded by `acquire_seconds`."""

    def __init__(self, settings: PostgresSettings, size: int) -> None:
        self.settings = settings
        self.size = size
        self._idle: list[LaneConnection] = []
        self._seats = asyncio.Semaphore(size)
        self._held = 0
        self._leaving: set[asyncio.Task[None]] = set()
        self._closed = False
        self.made = 0
        """Connections made since the start; grows when they break."""

    async def open(self) -> None:
        """Make the first connection, so that a wrong address is found at start."""
        async with self.taken(None):
            pass

    async def close(self) -> None:
        """Wait for what is in use, at most as long as a statement may take, then let go of everything."""
        if self._closed:
            return
        self._closed = True
        with suppress(TimeoutError):
            async with asyncio.timeout(self.settings.statement_seconds):
                for _ in range(self.size):
                    await self._seats.acquire()
        await asyncio.gather(*(_goodbye(connection) for connection in self._idle), *self._leaving)
        self._idle.clear()

    @asynccontextmanager
    async def taken(
        self, deadline: float | None, role: str | None = None, seconds: float | None = None
    ) -> AsyncIterator[LaneConnection]:
        """Give a connection for the block's time; with `role` its session speaks as that role, and `seconds` bound its statements
        where the settings' limit is too long.

        `deadline` is on the monotonic clock, None leaves `acquire_seconds` alone. A block that is cancelled, loses the
        connection or leaves a transaction open costs the connection.
        """
        await self._seat(deadline)
        self._held += 1
        connection: LaneConnection | None = None
        sound = False
        try:
            connection = self._pick(role, seconds) or await self._new()
            if role != connection.role:
                await connection.speak_as(role)
            if seconds != connection.seconds:
                await connection.bounded(seconds)
            yield connection
            sound = True
        except Exception as error:
            sound = not is_lost(error)
            if not sound:
                self._distrust()
            raise
        finally:
            self._back(connection, sound)

    async def fresh(self) -> LaneConnection:
        """Return a new connection outside the pool; who asked for it closes it."""
        return await connect(self.settings)

    async def _seat(self, deadline: float | None) -> None:
        if self._closed:
            raise Unavailable(what="database: closed")
        if not self._seats.locked():
            await self._seats.acquire()
            return
        wait = self.settings.acquire_seconds
        if deadline is not None:
            wait = min(wait, deadline - monotonic())
        try:
            async with asyncio.timeout(wait):
                await self._seats.acquire()
        except TimeoutError:
            raise Unavailable(what=f"database: all {self.size} connections are busy") from None
        if self._closed:
            self._seats.release()
            raise Unavailable(what="database: closed")

    async def _new(self) -> LaneConnection:
        connection = await connect(self.settings)
        self.made += 1
        return connection

    def _pick(self, role: str | None, seconds: float | None) -> LaneConnection | None:
        """Return the youngest idle connection, of this role and limit if there is one."""
        idle = self._idle
        if any(connection.is_closed() for connection in idle):
            idle[:] = [connection for connection in idle if not connection.is_closed()]
        for index in range(len(idle) - 1, -1, -1):
            if idle[index].role == role and idle[index].seconds == seconds:
                return idle.pop(index)
        # Somebody has to change roles: whoever has waited longest.
        return idle.pop(0) if idle and len(idle) + self._held > self.size else None

    def _distrust(self) -> None:
        # What ended one connection, a restart or a failover, has mostly ended all; an idle one may not know it yet.
        for connection in self._idle:
            connection.terminate()
        self._idle.clear()

    def _back(self, connection: LaneConnection | None, sound: bool) -> None:
        if connection is None or connection.is_closed():
            self._free()
        elif sound and not self._closed and not connection.is_in_transaction():
            self._idle.append(connection)
            self._free()
        else:
            # The seat is free when the server has let go too: a cancelled statement may still run for a moment.
            task = asyncio.get_running_loop().create_task(_goodbye(connection))
            self._leaving.add(task)
            task.add_done_callback(self._left)

    def _left(self, task: "asyncio.Task[None]") -> None:
        self._leaving.discard(task)
        self._free()

    def _free(self) -> None:
        self._held -= 1
        self._seats.release()


async def _goodbye(connection: LaneConnection) -> None:
    """Close politely; the driver waits for a statement that is being cancelled. Whoever does not answer is cut off."""
    with suppress(Exception):
        await connection.close(timeout=_CLOSE_SECONDS)
    if not connection.is_closed():
        connection.terminate()
