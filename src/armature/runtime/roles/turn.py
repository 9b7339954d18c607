"""A turn at work that one process at a time should do. Who has no turn stands by, and is as ready as the one who works.

What several may do at once without harm (a checkpoint's version decides who moves it) is done by one to spare the
others the trouble; the lease of what must not be done twice is also checked by the database with each commit.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from secrets import token_hex

from armature.engine.lease import Lease
from armature.kernel.failure import Failure
from armature.ports.database import Bound

__all__ = ["HOLDER", "Turn"]

HOLDER = f"{socket.gethostname()}:{os.getpid()}:{token_hex(4)}"
"""A name no other process ever had."""

_RENEWALS = 4
"""Looks at a lease within its time; the lease itself asks the database when a third of it has passed."""


class Turn:
    """With a lease: asked for before each step. Without one it is always this process's turn."""

    def __init__(self, lease: Lease | None = None) -> None:
        self._lease = lease
        self.mine = lease is None

    async def taken(self) -> bool:
        """Take or keep the turn; False while another process has it."""
        if self._lease is not None:
            self.mine = False
            self.mine = await self._lease.hold() is not None
        return self.mine

    def fence(self) -> Sequence[Bound]:
        """Return the guards under which what is begun now may be committed: a holder that slept too long writes nothing."""
        return () if self._lease is None else (self._lease.guard(),)

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Keep the turn for as long as the block runs: a long step must not end because its own lease has."""
        task = None if self._lease is None else asyncio.create_task(_renew(self._lease), name=f"keep {self._lease.name}")
        try:
            yield
        finally:
            if task is not None:
                task.cancel()
                await asyncio.wait((task,))

    async def leave(self) -> None:
        """Let another process go on at once."""
        if self._lease is not None and self.mine:
            self.mine = False
            await self._lease.release()


async def _renew(lease: Lease) -> None:
    while True:
        await asyncio.sleep(lease.ttl_seconds / _RENEWALS)
        with suppress(Failure):  # the database is away; the commit will find out
            await lease.hold()
