"""A guest's connection to the owner: made again for as long as it takes, with pauses that grow."""

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, cast

import msgspec

from armature.adapters.store import guest_says, owner_says
from armature.adapters.store.frames import VERSION, Frames, WireBroken, encode, framed
from armature.adapters.store.place import reachable
from armature.kernel.refusals import Unavailable

__all__ = ["Line", "Listener"]

log = logging.getLogger("armature.store")

_PAUSE_SECONDS_MIN = 0.02
_PAUSE_SECONDS_MAX = 1.0
_WELCOME_SECONDS = 2.0


class Listener(Protocol):
    """Who speaks over a line."""

    def welcomed(self, welcome: owner_says.Welcome) -> None:
        """The line is up; what is said now is heard first. Raises `Unavailable` when this is not the right owner."""
        ...

    def heard(self, message: Any) -> None:
        """The owner said something."""
        ...

    def lost(self) -> None:
        """The line is down."""
        ...

    def resumed(self) -> None:
        """The owner reads again."""
        ...


class Line:
    """Keeps one connection to the socket at `path`. `reason` says why there is none; empty when there is one."""

    def __init__(self, path: Path, session: bytes, listener: Listener) -> None:
        self._path = path
        self._session = session
        self._listener = listener
        self._wire: _Wire | None = None
        self._task: asyncio.Task[None] | None = None
        self._told = asyncio.Event()
        self._closing = False
        self.reason = f"no store answers at {path}; start the process with role store"

    @property
    def up(self) -> bool:
        """True while the owner listens."""
        return self._wire is not None

    @property
    def free(self) -> bool:
        """True while what is said leaves at once: an owner that does not read stops it."""
        return self._wire is not None and self._wire.free

    async def open(self, patience_seconds: float) -> None:
        """Return when the line is up; raises `Unavailable` when it is not within the time. It goes on trying until `close`."""
        self._task = asyncio.create_task(self._keep(), name="armature-store-line")
        try:
            async with asyncio.timeout(patience_seconds):
                while not self.up:
                    self._told.clear()
                    await self._told.wait()
        except TimeoutError:
            raise Unavailable(what=f"database: {self.reason}") from None

    async def close(self) -> None:
        """Hang up for good."""
        self._closing = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self.hang_up()

    def hang_up(self) -> None:
        """Break the connection; it is made again."""
        if (made := self._wire) is not None:
            self._lost(made)
            made.close()

    def say(self, messages: Sequence[bytes]) -> None:
        """Send messages as one frame."""
        if self._wire is not None:
            self._wire.write(framed(messages))

    async def _keep(self) -> None:
        pause = _PAUSE_SECONDS_MIN
        while True:
            try:
                made = await self._dialled()
            except Unavailable as error:
                self.reason = error.what.removeprefix("database: ")
                self._told.set()
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # not all guests at the same moment
                pause = min(pause * 2, _PAUSE_SECONDS_MAX)
                continue
            pause = _PAUSE_SECONDS_MIN
            self._told.set()
            await made.over.wait()

    async def _dialled(self) -> "_Wire":
        made = _Wire(self._listener, self._lost)
        try:
            with reachable(self._path) as short:
                async with asyncio.timeout(_WELCOME_SECONDS):
                    await asyncio.get_running_loop().create_unix_connection(lambda: made, short)
                    made.write(framed([encode(guest_says.Hello(VERSION, self._session))]))
                    welcome = await made.first
            if made.over.is_set():
                raise ConnectionError("it has hung up")
            if isinstance(welcome, owner_says.Refused):
                raise Unavailable(what=welcome.words)
            self._wire, self.reason = made, ""
            self._listener.welcomed(cast(owner_says.Welcome, welcome))
        except (OSError, TimeoutError) as error:
            made.close()
            raise Unavailable(what=f"database: no store answers at {self._path} ({error or 'it says nothing'})") from error
        except BaseException:
            self._wire = None
            made.close()
            raise
        return made

    def _lost(self, made: "_Wire") -> None:
        if self._wire is made:
            self._wire = None
            self.reason = f"the store at {self._path} has hung up"
            if not self._closing:
                log.warning("the store is away: the connection was lost")
            self._listener.lost()


class _Wire(asyncio.Protocol):
    """One connection of a line."""

    def __init__(self, listener: Listener, lost: "Callable[[_Wire], None]") -> None:
        self.free = True
        self.over = asyncio.Event()
        self.first: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._listener = listener
        self._lost = lost
        self._frames = Frames()
        self._transport: asyncio.Transport | None = None

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if not self.first.done():
            self.first.set_exception(ConnectionError("it has hung up"))
            with suppress(ConnectionError):
                self.first.exception()
        self._lost(self)
        self.over.set()

    def data_received(self, data: bytes) -> None:
        try:
            for body in self._frames.cut(data):
                for message in owner_says.of_owner(body):
                    if self.first.done():
                        self._listener.heard(message)
                    else:
                        self.first.set_result(message)
        except (WireBroken, msgspec.MsgspecError) as error:
            log.error("the store says what cannot be read: %s", error)
            self.close()

    def pause_writing(self) -> None:
        self.free = False

    def resume_writing(self) -> None:
        self.free = True
        self._listener.resumed()
