"""Signals of all processes of a machine, over the owner of their file."""

from itertools import count

from armature.adapters.store.guest import Guest
from armature.adapters.store.owner_says import News
from armature.engine.backlog import Backlog
from armature.kernel.refusals import Unavailable

__all__ = ["StoreListener", "StoreSignal"]


class StoreListener:
    """One listener of one subject; a new connection begins it anew."""

    def __init__(self, port: "StoreSignal", number: int, subject: str, backlog: int) -> None:
        self.number = number
        self.subject = subject
        self.backlog = Backlog(backlog)
        self.missed = 0
        """Connections that broke; what the owner dropped is in `dropped`, and begins anew with each connection."""
        self.dropped = 0
        self._port = port

    @property
    def lost(self) -> int:
        """How often signals may have been missed."""
        return self.backlog.lost + self.missed + self.dropped

    async def next(self, seconds: float) -> bytes | None:
        """Return the next signal's payload, None when none came within so long."""
        return await self.backlog.next(seconds)

    async def close(self) -> None:
        """Stop listening. A second close does nothing."""
        self._port.leave(self)


class StoreSignal:
    """`Signal` over the owner's. The database opens the connection."""

    def __init__(self, guest: Guest) -> None:
        self._guest = guest
        self._numbers = count(1)
        self._listeners: dict[int, StoreListener] = {}
        self._open = False
        guest.welcomes.append(self._again)
        guest.hears[News] = self._hear

    async def open(self) -> None:
        """Begin; the connection is the database's."""
        self._guest.must_be_up()
        self._open = True

    async def close(self) -> None:
        """Let go of every listener. A second close does nothing."""
        self._open = False
        for listener in list(self._listeners.values()):
            self.leave(listener)

    async def send(self, subject: str, payload: bytes = b"") -> None:
        """Tell everybody who listens to the subject now, in any process."""
        self._usable()
        self._guest.tell("signal.send", subject, payload)

    async def listen(self, subject: str, *, backlog: int = 64) -> StoreListener:
        """Begin to listen."""
        self._usable()
        listener = StoreListener(self, next(self._numbers), subject, backlog)
        self._listeners[listener.number] = listener
        try:
            await self._guest.call("signal.listen", listener.number, subject)
        except BaseException:
            self.leave(listener)
            raise
        return listener

    def leave(self, listener: StoreListener) -> None:
        """Stop listening."""
        if self._listeners.pop(listener.number, None) is not None and self._guest.up:
            self._guest.tell("signal.leave", listener.number)

    def _hear(self, news: News) -> None:
        listener = self._listeners.get(news.listener)
        if listener is not None:
            listener.dropped = max(listener.dropped, news.lost)
            listener.backlog.put(news.payload)

    def _again(self) -> None:
        for listener in self._listeners.values():
            listener.missed += 1 + listener.dropped
            listener.dropped = 0
            self._guest.tell("signal.listen", listener.number, listener.subject)

    def _usable(self) -> None:
        if not self._open:
            raise Unavailable(what="the signal port, which is closed")
