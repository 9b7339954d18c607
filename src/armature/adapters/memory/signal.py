"""Signals within one process. Several `MemorySignal` on one `Hub` behave as processes on one server do."""

from armature.engine.backlog import Backlog
from armature.kernel.refusals import Unavailable

__all__ = ["Hub", "MemoryListener", "MemorySignal"]


class Hub:
    """Who listens to what."""

    def __init__(self) -> None:
        self.listeners: dict[str, list[MemoryListener]] = {}


class MemoryListener:
    """One listener of one subject."""

    def __init__(self, hub: Hub, subject: str, backlog: int) -> None:
        self._hub = hub
        self._subject = subject
        self.backlog = Backlog(backlog)
        hub.listeners.setdefault(subject, []).append(self)

    @property
    def lost(self) -> int:
        """How many signals a full backlog has dropped; there is no connection that could break."""
        return self.backlog.lost

    async def next(self, seconds: float) -> bytes | None:
        """Return the next signal's payload, None when none came within so long."""
        return await self.backlog.next(seconds)

    async def close(self) -> None:
        """Stop listening. A second close does nothing."""
        others = self._hub.listeners.get(self._subject, [])
        if self in others:
            others.remove(self)
            if not others:
                del self._hub.listeners[self._subject]


class MemorySignal:
    """`Signal` over a hub; without one, over a hub of its own."""

    def __init__(self, hub: Hub | None = None) -> None:
        self._hub = hub or Hub()
        self._mine: list[MemoryListener] = []
        self._open = False

    async def open(self) -> None:
        """Begin."""
        self._open = True

    async def close(self) -> None:
        """Let go of every listener. A second close does nothing."""
        self._open = False
        mine, self._mine = self._mine, []
        for listener in mine:
            await listener.close()

    async def send(self, subject: str, payload: bytes = b"") -> None:
        """Tell everybody who listens to the subject now."""
        self._usable()
        for listener in self._hub.listeners.get(subject, ()):
            listener.backlog.put(payload)

    async def listen(self, subject: str, *, backlog: int = 64) -> MemoryListener:
        """Begin to listen."""
        self._usable()
        listener = MemoryListener(self._hub, subject, backlog)
        self._mine.append(listener)
        return listener

    def _usable(self) -> None:
        if not self._open:
            raise Unavailable(what="the signal port, which is closed")
