"""What every edge does alike for a stream of live events: from where it begins, what a client resumes it by, how many are open.

A stream begins at the head of the log, or after the event that a client names by its cursor. A cursor is signed and bound to
the stream, the tenant and the log, not to the protocol: who followed over one edge may go on over another.
"""

from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from msgspec import Struct

from armature.engine.call import Call
from armature.engine.cursors import Cursors
from armature.engine.event_log import EventLog, Identity
from armature.engine.live import LiveEvents, News
from armature.engine.served import Served
from armature.kernel.event import event_type
from armature.kernel.failure import FieldError
from armature.kernel.refusals import Invalid, Overloaded

__all__ = ["Beginning", "Feed", "Following", "Live", "OwnLog", "Source"]

_FULL_SECONDS = 5.0


class Beginning(Struct, frozen=True):
    """Which log a stream is in, and the position that everything has happened before."""

    log: Identity
    head: int


class Source(Protocol):
    """Where the events of a feed come from: the log of this process, or the process that has it."""

    async def begin(self, feed: "Feed", call: Call, arguments: dict[str, Any]) -> Beginning:
        """Return where the stream is now."""
        ...

    def follow(self, feed: "Feed", call: Call, arguments: dict[str, Any], after: int) -> AsyncGenerator[News, None]:
        """Yield what there is after a position, then for ever what comes; without news now and then."""
        ...


class Feed:
    """One `@feed`, ready to be asked for."""

    def __init__(self, pipeline: Served) -> None:
        events = [event_type(one) for one in pipeline.operation.declared.of]
        self.pipeline = pipeline
        self.types = frozenset(one.name for one in events)
        self._domain, self._about = events[0].domain, events[0].stream

    def stream(self, arguments: dict[str, Any]) -> str:
        """Return the name in the log of what is asked about."""
        return f"{self._domain}/{arguments[self._about]}"


class OwnLog:
    """`Source` of the feeds whose events are in the log of this process."""

    def __init__(self, log: EventLog, events: LiveEvents) -> None:
        self._log = log
        self._events = events

    async def begin(self, feed: Feed, call: Call, arguments: dict[str, Any]) -> Beginning:
        """Return where the log is now."""
        return Beginning(await self._log.identity(), await self._events.now())

    def follow(self, feed: Feed, call: Call, arguments: dict[str, Any], after: int) -> AsyncGenerator[News, None]:
        """Follow the log."""
        return self._events.follow((call.tenant, feed.stream(arguments)), feed.types, after)


class Following(Struct, frozen=True):
    """A stream that a client follows, and the position it begins after. `news` begins to follow."""

    after: int
    cursors: Cursors
    scope: str
    news: Callable[[], AsyncGenerator[News, None]]

    def cursor(self, position: int) -> str:
        """Return a position as the client sees it."""
        return self.cursors.seal(self.scope, position)


class Live:
    """What all feeds of a process are served from, over whichever edge. `open` is the number of streams that are open now.

    `elsewhere` are the sources, by operation, of feeds whose log another process has.
    """

    def __init__(self, own: Source, elsewhere: Mapping[str, Source], cursors: Cursors, streams_max: int) -> None:
        self.open = 0
        self._own = own
        self._elsewhere = elsewhere
        self._cursors = cursors
        self._streams_max = streams_max

    async def follow(self, feed: Feed, call: Call, arguments: dict[str, Any], last: tuple[str, str]) -> Following:
        """Return where a stream begins. `last`: how the field is called that says what was seen, and its text."""
        source = self._elsewhere.get(call.operation, self._own)
        beginning = await source.begin(feed, call, arguments)
        log = beginning.log
        scope = "\0".join((call.tenant, feed.stream(arguments), call.operation, log.log, str(log.epoch)))
        field, sent = last
        after = self._position(scope, field, sent) if sent else beginning.head
        return Following(after, self._cursors, scope, lambda: source.follow(feed, call, arguments, after))

    @contextmanager
    def place(self) -> Iterator[None]:
        """Take one of the places for streams, for as long as the stream lasts."""
        if self.open >= self._streams_max:
            raise Overloaded(retry_after_seconds=_FULL_SECONDS)
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1

    def _position(self, scope: str, field: str, sent: str) -> int:
        try:
            return self._cursors.open(scope, sent, int)
        except Invalid:
            text = "is not an event id of this stream; begin again without it"
            raise Invalid(errors=[FieldError(field, text)]) from None
