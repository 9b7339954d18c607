"""A process that writes through the owner of its file: one connection for the database and for what else the owner keeps."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from secrets import token_bytes
from typing import Any

from armature.adapters.store import guest_says, owner_says
from armature.adapters.store.frames import encode
from armature.adapters.store.hand import Hands
from armature.adapters.store.line import Line
from armature.kernel.refusals import Unavailable

__all__ = ["Guest"]

_CALL_SECONDS = 1.0
"""Of what is kept in memory; who asks goes on without it."""


class Guest:
    """A guest of the owner of `file`, met at the socket `path`. The database opens and closes it; other ports share it."""

    def __init__(self, file: Path, path: Path) -> None:
        self.welcomes: list[Callable[[], None]] = []
        """Called when the owner answers, before anything else is said."""
        self.hears: dict[type, Callable[[Any], None]] = {}
        """Who is told of a kind of message."""
        self._file = file
        self._line = Line(path, token_bytes(16), self)
        self.hands = Hands(self._line.say, lambda: self._line.free)
        self._instance: bytes | None = None

    async def open(self, patience_seconds: float) -> None:
        """Return when the owner answers; `Unavailable` when it does not within the time."""
        try:
            await self._line.open(patience_seconds)
        except BaseException:
            await self._line.close()
            raise

    async def close(self) -> None:
        """Wait for what is in hand, then hang up."""
        await self.hands.settled()
        self.hands.close("closed")
        await self._line.close()

    @property
    def up(self) -> bool:
        """True while the owner answers."""
        return self._line.up

    async def reached(self) -> None:
        """Return when the owner answers; `Unavailable` when it is away."""
        await self.ask(guest_says.Ping)

    def must_be_up(self) -> None:
        """Raise `Unavailable` while the owner is away."""
        if not self._line.up:
            raise Unavailable(what=f"database: {self._line.reason}")

    async def ask(self, message: Callable[[int], Any], *, unsure: bool = False) -> Any:
        """Say something under a number and return what comes back. `unsure`: it may have had an effect if nobody answers."""
        self.must_be_up()
        handed = self.hands.take(None)
        handed.unsure = unsure
        self.hands.send(handed, lambda: encode(message(handed.id)))
        return await handed.done

    async def call(self, what: str, *args: Any) -> Any:
        """Return what a verb of one of the owner's ports returns; `Unavailable` soon when the owner stands still."""
        try:
            async with asyncio.timeout(_CALL_SECONDS):
                return await self.ask(lambda id: guest_says.Call(id, what, list(args)))
        except TimeoutError:
            raise Unavailable(what=f"the store, which does not answer within {_CALL_SECONDS:g} s") from None

    def tell(self, what: str, *args: Any) -> None:
        """Do the same and wait for nothing."""
        self.must_be_up()
        self.hands.send(None, lambda: encode(guest_says.Call(0, what, list(args))))

    # what the line tells

    def welcomed(self, welcome: owner_says.Welcome) -> None:
        """The owner answers: say what it must know, and ask what became of what was in doubt."""
        self._same_file(welcome)
        same, self._instance = welcome.instance == self._instance, welcome.instance
        for tell in self.welcomes:
            tell()
        self.hands.came_back(same)

    def heard(self, message: Any) -> None:
        """The owner says something."""
        if isinstance(message, owner_says.Told):
            self.hands.told(message)
        elif isinstance(message, owner_says.Returned):
            self.hands.returned(message)
        elif isinstance(message, owner_says.Bye):
            self.hands.unheard("the store has ended")
            self._line.hang_up()
        elif (hear := self.hears.get(type(message))) is not None:
            hear(message)

    def lost(self) -> None:
        """The owner has hung up."""
        self.hands.lost(self._line.reason)

    def resumed(self) -> None:
        """The owner reads again."""
        self.hands.flush()

    def _same_file(self, welcome: owner_says.Welcome) -> None:
        try:
            found = self._file.stat()
        except OSError as error:
            raise Unavailable(what=f"database: {self._file}: {error.strerror}; the store serves another file") from error
        if (found.st_dev, found.st_ino) != tuple(welcome.file):
            text = f"the store does not serve {self._file}; give both processes the same environment and data folder"
            raise Unavailable(what=f"database: {text}")
