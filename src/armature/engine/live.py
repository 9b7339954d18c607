"""Live events of one stream: the log is what is read, signals only say when to look.

A reader is at a position and gets every later event of its stream, in order, once. A signal that is lost delays it until the
next slow look; nothing is kept for a reader but its position, so a slow one costs nobody and a returning one resumes from the
log, the archive included.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Sequence
from functools import lru_cache

from msgspec import Struct, structs

from armature.engine.caching import Told
from armature.engine.event_log import EventLog, Logged, Stream
from armature.engine.names import signal_subject
from armature.engine.upcasting import newest
from armature.kernel.event import event_type
from armature.kernel.operation import Operation
from armature.kernel.refusals import Unavailable
from armature.ports.signal import Listener, Signal

__all__ = ["Announcer", "LiveEvents", "News"]

_TOPIC = "armature.feed"
_BATCH = 200
_LOOK_SECONDS = 1.0
# On databases that number late the signal comes before the number: looked again, a little later each time.
_EAGER_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4)
_STREAMS_MAX = 10_000


class News(Struct, frozen=True):
    """What a look found: events, perhaps none, and the position that everything is known up to."""

    events: Sequence[Logged]
    position: int


class LiveEvents:
    """Follows streams of one log. `feeds` tell which events there are, so that old ones are shown as today's."""

    def __init__(
        self,
        log: EventLog,
        signal: Signal,
        installation: str,
        *,
        feeds: Iterable[Operation] = (),
        look_seconds: float = _LOOK_SECONDS,
    ) -> None:
        self._log = log
        self._signal = signal
        self._installation = installation
        self._look_seconds = look_seconds
        self._known = {event_type(event).name: event_type(event) for feed in feeds for event in feed.declared.of}

    async def now(self) -> int:
        """Return the position that a reader begins after who wants only what is to come."""
        return await self._log.head()

    async def follow(self, stream: Stream, types: frozenset[str], after: int) -> AsyncGenerator[News, None]:
        """Yield what there is after a position, then for ever what comes; without news once each slow look."""
        position = after
        listener = await self._listen(stream)
        try:
            eager: Iterator[float] = iter(())
            while True:
                found = False
                async for news in self._behind(stream, types, position):
                    found, position = found or bool(news.events), news.position
                    yield news
                if found:
                    eager = iter(())
                else:
                    yield News((), position)
                pause = next(eager, None)
                if pause is not None:
                    await self._pause(listener, pause)
                elif await self._pause(listener, self._look_seconds):
                    eager = iter(_EAGER_SECONDS)
                elif listener is None:
                    listener = await self._listen(stream)
        finally:
            if listener is not None:
                await listener.close()

    async def _behind(self, stream: Stream, types: frozenset[str], position: int) -> AsyncIterator[News]:
        upto = await self._log.head()
        while position < upto:
            events, position = await self._log.of_stream(stream, position, upto, _BATCH)
            yield News([self._newest(one) for one in events if one.type in types], position)

    def _newest(self, event: Logged) -> Logged:
        known = self._known.get(event.type)
        if known is None or known.schema == event.schema:
            return event
        data = newest(known, event.schema, event.payload)
        return structs.replace(event, payload=data if isinstance(data, str) else data.decode())

    async def _pause(self, listener: Listener | None, seconds: float) -> bool:
        """Wait; True when a signal came."""
        if listener is None:
            await asyncio.sleep(seconds)
            return False
        return await listener.next(seconds) is not None

    async def _listen(self, stream: Stream) -> Listener | None:
        try:
            return await self._signal.listen(_subject(self._installation, stream), backlog=1)
        except Unavailable:
            return None  # it is looked slowly until signals are back


class Announcer:
    """Says after commits that streams have news. It never makes a command wait: what cannot be sent soon is left out."""

    def __init__(self, signal: Signal, installation: str, feeds: Iterable[Operation]) -> None:
        self._signal = signal
        self._installation = installation
        self._types = frozenset(event_type(event).name for feed in feeds for event in feed.declared.of)
        self._waiting: dict[Stream, None] = {}
        self._sending: asyncio.Task[None] | None = None

    @property
    def used(self) -> bool:
        """True when any feed is declared."""
        return bool(self._types)

    def happened(self, events: Iterable[Told]) -> None:
        """Hear what was committed."""
        for event in events:
            if event.type in self._types and len(self._waiting) < _STREAMS_MAX:
                self._waiting[event.tenant_id, event.stream] = None
        if self._waiting and (self._sending is None or self._sending.done()):
            self._sending = asyncio.create_task(self._send(), name="announcer")

    async def close(self) -> None:
        """Send nothing more."""
        self._waiting.clear()
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.wait((self._sending,))

    async def _send(self) -> None:
        while self._waiting:
            waiting, self._waiting = self._waiting, {}
            for stream in waiting:
                try:
                    await self._signal.send(_subject(self._installation, stream))
                except Unavailable:
                    break


@lru_cache(maxsize=4096)
def _subject(installation: str, stream: Stream) -> str:
    tenant, name = stream
    return signal_subject(installation, tenant, _TOPIC, name)
