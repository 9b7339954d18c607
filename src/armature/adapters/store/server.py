"""The owner's side: takes units and turns of other processes and hands them to the database that this process owns.

All guests and the owner itself stand in one queue, the writer's, so what waits shares a commit wherever it came from. What
became of a unit is remembered for its guest for a while: one that lost its connection comes back and asks.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from secrets import token_bytes
from typing import Protocol

from armature.adapters.store.desk import Desk, Session
from armature.adapters.store.owner_says import Bye
from armature.adapters.store.place import listening
from armature.adapters.store.shapes import Definition
from armature.adapters.store.shared import Shared
from armature.adapters.store.statements import restored
from armature.kernel.refusals import Unavailable
from armature.kernel.statement import Statement
from armature.ports.database import Decide, Owner, Row, Unit, Verdict

__all__ = ["Served", "StoreServer"]

_SESSIONS_MAX = 1_000
"""Guests remembered after they have left; a restarted process is a new one."""

_GOODBYE_SECONDS = 0.5
"""How long a guest may take to read that we end; one that stands still is not waited for."""

_LOOK_SECONDS = 1.0
"""How often we look whether our socket is still where guests look for it."""

_log = logging.getLogger("armature.store")


class Served(Protocol):
    """The database of the owner, as far as others are served from it."""

    def bind(self, statements: Iterable[Statement]) -> None:
        """Compile statements."""
        ...

    def hand_over(self, unit: Unit) -> "asyncio.Future[Verdict]":
        """Queue a unit."""
        ...

    async def turn(self, rows: Sequence[Row], decide: Decide, owner: Owner) -> Verdict:
        """Let `decide` run while nobody else writes."""
        ...

    async def script(self, text: str) -> None:
        """Run statements that are no units."""
        ...


class StoreServer:
    """Serves a database and the ports of one process to others. `place`: the database's file, and where the socket is.

    `committed` is called when a guest's unit has recorded events.
    """

    def __init__(self, served: Served, place: tuple[Path, Path], committed: Callable[[], None], shared: Shared) -> None:
        file, path = place
        self.served = served
        self.committed = committed
        self.shared = shared
        self.instance = token_bytes(16)
        self.desks: set[Desk] = set()
        self.sessions: dict[bytes, Session] = {}
        self.running: set[asyncio.Task[None]] = set()
        self.listens = False
        self._fewer = asyncio.Event()
        self._file = file
        self._path = path
        self._known: dict[Definition, Statement | str] = {}
        self._server: asyncio.Server | None = None
        self._looking: asyncio.Task[None] | None = None
        self._made: tuple[int, int, int] | None = None

    async def open(self) -> None:
        """Listen. The database is open by now, so whoever is welcomed can be served."""
        self._server = await self._listen()
        self._looking = asyncio.create_task(self._stay(), name="store socket")

    async def close(self) -> None:
        """Take nothing new, give everybody in hand a verdict, hang up."""
        if self._server is None:
            return
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait((self._looking,))
        server, self._server = self._server, None
        self.listens = False
        with suppress(FileNotFoundError):
            self._path.unlink()
        server.close()
        for desk in list(self.desks):
            desk.leave()
        await self._finished()
        for desk in list(self.desks):
            desk.say(Bye())
        # A guest hangs up when it reads that. One that could not be written to would not read either, and be left in doubt.
        with suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE_SECONDS):
                while self.desks:
                    self._fewer.clear()
                    await self._fewer.wait()
        for desk in list(self.desks):
            desk.hang_up()

    @property
    def file(self) -> tuple[int, int]:
        """The device and inode of what is owned: a guest that reads another file must not write here."""
        found = self._file.stat()
        return found.st_dev, found.st_ino

    def statement(self, definition: Definition) -> Statement | str:
        """Return the statement of that text, compiled once for all guests; or why there is none."""
        known = self._known.get(definition)
        if known is None:
            try:
                known = restored(definition)
                self.served.bind((known,))
            except (ValueError, TypeError) as refused:
                return str(refused)  # not kept: a migration may mend it
            self._known[definition] = known
        return known

    def session(self, name: bytes) -> Session:
        """Return what is remembered of a guest."""
        found = self.sessions.pop(name, None) or Session()
        self.sessions[name] = found  # the last to come is the last to be forgotten
        while len(self.sessions) > _SESSIONS_MAX:
            del self.sessions[next(iter(self.sessions))]
        return found

    def left(self, desk: Desk) -> None:
        """A connection is over."""
        self.desks.discard(desk)
        self._fewer.set()

    def run(self, work: Awaitable[None]) -> None:
        """Let something take its time."""
        task = asyncio.ensure_future(work)
        self.running.add(task)
        task.add_done_callback(self.running.discard)

    async def _listen(self) -> asyncio.Server:
        made = listening(self._path)
        server = await asyncio.get_running_loop().create_unix_server(lambda: Desk(self), sock=made)
        self._made = self._there()
        self.listens = True
        return server

    async def _stay(self) -> None:
        """Be found. Guests that are here need no file, but no other could come, and nobody else may own the database."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            if self._server is None or self._there() == self._made:
                continue
            said = self.listens
            self.listens = False
            try:
                old, self._server = self._server, await self._listen()
            except Unavailable as error:
                if said:
                    _log.warning("guests cannot come: %s", error)
                continue
            old.close()
            _log.warning("somebody removed or changed the socket %s; it is there again", self._path)

    def _there(self) -> tuple[int, int, int] | None:
        """What guests find in the place of the socket: which file, and for whom."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino, found.st_mode

    async def _finished(self) -> None:
        while waiting := [one for session in self.sessions.values() for one in session.waiting()]:
            await asyncio.wait(waiting)
        if self.running:
            await asyncio.wait(self.running)
        await asyncio.sleep(0)  # what was told is written out at the end of this turn of the loop
