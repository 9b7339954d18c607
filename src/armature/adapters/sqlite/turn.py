"""A command that decides again while it is the only writer.

It runs as a task of its own, in its caller's context, and for a bounded time: everybody who writes waits for it. Its
reads go through the writer's connection, so they see all that was committed before it and all that stands before it
in the same transaction.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from armature.adapters.sqlite.apply import Applier
from armature.adapters.sqlite.thread import WriterThread
from armature.adapters.sqlite.trouble import trouble
from armature.adapters.sqlite.waiting import Turn
from armature.kernel.refusals import Unavailable
from armature.ports.database import Bound, Unit

__all__ = ["take_turn"]

_POLL_SECONDS = 0.02


class _TurnRead:
    """The reads of one turn; dead when the turn is over, because then the connection is somebody else's."""

    def __init__(self, applier: Applier, thread: WriterThread) -> None:
        self._applier = applier
        self._thread = thread
        self._over = False
        self._away: asyncio.Future[Any] | None = None

    async def __call__(self, asks: Sequence[Bound]) -> list[list[Any]]:
        if self._over:
            raise Unavailable(what="database: the turn is over")
        try:
            if all(self._applier.plans[statement].short for statement, _ in asks):
                return self._applier.read(asks)
            await self._settled()  # two reads of one turn at once would share the connection
            self._away = self._thread.run(lambda: self._applier.read(asks))
            return await asyncio.shield(self._away)
        except Exception as error:
            raise trouble(error) from error

    async def end(self) -> None:
        """Return when no read of this turn is under way; one that is gets interrupted."""
        self._over = True
        while self._away is not None and not self._away.done():
            self._applier.db.interrupt()
            await asyncio.wait((self._away,), timeout=_POLL_SECONDS)
        if self._away is not None and not self._away.cancelled():
            self._away.exception()  # looked at, so that asyncio does not report it as lost

    async def _settled(self) -> None:
        while self._away is not None and not self._away.done():
            await asyncio.wait((self._away,))
            if self._over:
                raise Unavailable(what="database: the turn is over")


async def take_turn(turn: Turn, applier: Applier, thread: WriterThread, seconds: float) -> Unit | BaseException:
    """Return the unit a turn wants to leave behind, or what to raise at its caller."""
    read = _TurnRead(applier, thread)

    async def decided() -> Unit:
        return await turn.decide(read)

    task = asyncio.get_running_loop().create_task(decided(), context=turn.context)
    task.add_done_callback(_look_at)
    await asyncio.wait((task, turn.done), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    late = not task.done()
    if late:
        task.cancel()
    await read.end()
    if turn.done.done():
        # Its caller was told meanwhile that nothing happened (a deadline); so nothing must.
        return Unavailable(what="database: nobody waits for this turn any more")
    if late or task.cancelled():
        return Unavailable(what=f"database: the command held the writer for longer than {seconds} s")
    error = task.exception()
    if error is None and not isinstance(task.result(), Unit):
        return TypeError(f"a turn decides on a Unit, not on {task.result()!r}")
    return error or task.result()


def _look_at(task: "asyncio.Task[Unit]") -> None:
    if not task.cancelled():
        task.exception()
