"""A TCP proxy that breaks things: put it between a program and its server, and switch what is wrong while they talk.

    with TcpProxy(postgres.port) as proxy:
        lost = proxy.when(b"COMMIT", LoseAnswers())
        ...                                  # the program connects to proxy.port
        assert lost.fired == 1
        proxy.switch(Blackhole())
        ...
        assert proxy.counts["Blackhole"] > 0

It runs in a thread with a loop of its own, so that it serves blocking and asynchronous tests alike and goes on while a test's
loop is busy. Whatever a call here does has happened when it returns.
"""

import asyncio
import socket
import threading
import time
from collections import Counter
from collections.abc import Coroutine
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeVar

from armature.testing.faults.link import Flow, Link, Mode, Side
from armature.testing.faults.modes import Pass, Refuse

__all__ = ["TcpProxy", "Trigger"]

_PATIENCE_SECONDS = 10.0
_LOOK_SECONDS = 0.002
_T = TypeVar("_T")


class Trigger:
    """Waits for bytes to pass; `fired` says how often that set its mode in force (0 or 1 unless it is everywhere and again)."""

    def __init__(self, pattern: bytes, mode: Mode, *, side: Side, nth: int, before: bool, everywhere: bool) -> None:
        self.pattern, self.mode, self.side = pattern, mode, side
        self.before, self.everywhere = before, everywhere
        self.fired = 0
        self._left = nth
        self._happened = threading.Event()

    def wait(self, seconds: float = _PATIENCE_SECONDS) -> None:
        """Block until it has fired; AssertionError after so many seconds. In a coroutine: `await asyncio.to_thread(…)`."""
        if not self._happened.wait(seconds):
            raise AssertionError(f"{self.pattern!r} did not pass from the {self.side} within {seconds:g} s")

    def met(self, tail: bytes, piece: bytes) -> bool:
        """Count the pattern in a piece and the end of the one before it; True when that was the awaited time."""
        if self._left <= 0:
            return False
        self._left -= (tail + piece).count(self.pattern)
        if self._left > 0:
            return False
        self.fired += 1
        return True

    def tell(self) -> None:
        """Let those who wait go on."""
        self._happened.set()


class TcpProxy:
    """Listens on `port` (free if 0, and the same for its life) and passes on to a local port; begins in `Pass`.

    `counts` holds `connections`, `unreachable` (the server did not take the connection) and each mode's class name.
    """

    def __init__(self, target_port: int, *, port: int = 0) -> None:
        self.target_port = target_port
        self.counts: Counter[str] = Counter()
        # Keeps the port while nobody listens: only a listening socket takes connections.
        self._keeper = _bound(port)
        self.port: int = self._keeper.getsockname()[1]
        self._mode: Mode = Pass()
        self._triggers: list[Trigger] = []
        self._tails: dict[tuple[Trigger, Flow], bytes] = {}
        self._links: dict[Link, asyncio.Task[None]] = {}
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tcp-proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._listen())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._keeper.close()

    @property
    def mode(self) -> Mode:
        """The mode in force, but for links that a trigger gave one of their own."""
        return self._mode

    @property
    def open(self) -> int:
        """How many connections are open now."""
        return len(self._links)

    def switch(self, mode: Mode) -> None:
        """Put a mode in force for all connections, those of triggers included; `Pass()` heals everything."""
        self._call(self._switch(mode))

    def when(
        self, pattern: bytes, mode: Mode, *, side: Side = "client", nth: int = 1, before: bool = False, everywhere: bool = False
    ) -> Trigger:
        """Put a mode in force on the connection (or `everywhere`) on which `pattern` passes for the nth time.

        The bytes with the pattern still arrive and the mode meets what follows them; with `before` it meets them too.
        """
        trigger = Trigger(pattern, mode, side=side, nth=nth, before=before, everywhere=everywhere)
        self._call(self._arm(trigger))
        return trigger

    def wait(self, what: type[Mode] | str, times: int = 1, *, seconds: float = _PATIENCE_SECONDS) -> None:
        """Block until a mode (or `connections`, `unreachable`) was counted so often; AssertionError after so many seconds."""
        name = what if isinstance(what, str) else what.__name__
        until = time.monotonic() + seconds
        while self.counts[name] < times:
            if time.monotonic() > until:
                raise AssertionError(f"{name} happened {self.counts[name]} times, not {times}, within {seconds:g} s")
            time.sleep(_LOOK_SECONDS)

    def _call(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_PATIENCE_SECONDS)

    async def _arm(self, trigger: Trigger) -> None:
        self._triggers.append(trigger)

    async def _listen(self) -> None:
        if self._server is None:
            door = _bound(self.port)
            self._server = await asyncio.start_server(self._take, sock=door, backlog=512)

    async def _deafen(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _switch(self, mode: Mode) -> None:
        for link in self._links:
            link.own = None
        await self._enforce(mode)

    async def _enforce(self, mode: Mode) -> None:
        self._mode = mode
        if isinstance(mode, Refuse):
            await self._deafen()
        else:
            await self._listen()
        for link in list(self._links):
            await self._meet(link, mode)

    async def _meet(self, link: Link, mode: Mode) -> None:
        if link.started:
            await mode.enters(link)
        link.wake()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.counts["connections"] += 1
        link = Link(self.counts, lambda: self._mode, self._watch)
        task = asyncio.current_task()
        assert task is not None
        self._links[link] = task
        try:
            await link.run((reader, writer), self.target_port)
        finally:
            del self._links[link]
            self._tails = {key: tail for key, tail in self._tails.items() if key[1].link is not link}

    async def _watch(self, flow: Flow, piece: bytes) -> bytes:
        for trigger in self._triggers:
            if trigger.side != flow.side:
                continue
            tail = self._tails.get((trigger, flow), b"")
            self._tails[trigger, flow] = (tail + piece)[-len(trigger.pattern) + 1 :] if len(trigger.pattern) > 1 else b""
            if trigger.met(tail, piece):
                piece = await self._fire(trigger, flow, piece)
        return piece

    async def _fire(self, trigger: Trigger, flow: Flow, piece: bytes) -> bytes:
        # In force before the bytes leave: the answer to them must not slip through.
        if trigger.everywhere:
            self._mode = trigger.mode
        else:
            flow.link.own = trigger.mode
        if not trigger.before:
            await flow.send(piece)
            piece = b""
        if trigger.everywhere:
            await self._enforce(trigger.mode)
        else:
            await self._meet(flow.link, trigger.mode)
        trigger.tell()
        return piece

    async def _end(self) -> None:
        await self._deafen()
        tasks = list(self._links.values())
        for link in list(self._links):
            link.close()
        for task in tasks:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)


def _bound(port: int) -> socket.socket:
    door = socket.socket()
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    door.bind(("127.0.0.1", port))
    return door
