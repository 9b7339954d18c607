"""Feeds of modules in other processes: whoever has the log is asked again and again for what comes after a position.

No stream has to be held between two processes: a look waits there for news, and its answer is all that there is. Who asks names
the position, so that nothing is lost when either side, or what lies between them, goes away and comes back.
"""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import msgspec
from msgspec import Struct

from armature.engine.call import Call
from armature.engine.event_log import Identity, Logged
from armature.engine.feeds import Beginning, Feed, Source
from armature.engine.live import News
from armature.engine.remote_message import Ask, Told
from armature.engine.remote_operation import RemoteOperation

__all__ = ["BEGIN", "Looked", "RemoteFeed", "look"]

BEGIN = -1
"""The position of a look that only wants to know where the log is."""

_LOOK_SECONDS = 5.0
# The far side answers before we stop listening.
_MARGIN_SECONDS = 2.0
_LOOK_BYTES_MAX = 1_000_000
"""So many bytes of events are in one answer, but one event at least: what carries messages has a limit of its own."""


class Looked(Struct, frozen=True):
    """What a look found."""

    log: str
    epoch: int
    position: int
    events: list[Logged]


class RemoteFeed:
    """`Source` of one feed of another process."""

    def __init__(self, operation: RemoteOperation) -> None:
        self._operation = operation
        self._decode = msgspec.msgpack.Decoder(Looked).decode

    async def begin(self, feed: Feed, call: Call, arguments: dict[str, Any]) -> Beginning:
        """Ask where the log is; permissions and limits are looked at there."""
        looked = await self._look(call, arguments, BEGIN)
        return Beginning(Identity(looked.log, looked.epoch), looked.position)

    async def follow(self, feed: Feed, call: Call, arguments: dict[str, Any], after: int) -> AsyncGenerator[News, None]:
        """Look after look; a log that was restored ends the stream, for its positions mean other events now."""
        position, epoch = after, None
        while True:
            looked = await self._look(call, arguments, position)
            epoch = looked.epoch if epoch is None else epoch
            if looked.epoch != epoch:
                return
            position = looked.position
            yield News(looked.events, position)

    async def _look(self, call: Call, arguments: dict[str, Any], after: int) -> Looked:
        call.deadline = time.monotonic() + _LOOK_SECONDS + _MARGIN_SECONDS
        asked = self._operation.ask(call, arguments, look=after)
        return self._decode((await self._operation.looked(asked, call.deadline)).body)


async def look(feed: Feed, source: Source, call: Call, arguments: dict[str, Any], ask: Ask) -> Told:
    """Answer a look: at once when it only asks where the log is or there are events, else when some come, or empty-handed."""
    beginning = await source.begin(feed, call, arguments)
    position, events = beginning.head, []
    if ask.look is not None and ask.look >= 0:
        position = ask.look
        until = time.monotonic() + min(_LOOK_SECONDS, ask.seconds / 2)
        async with aclosing(source.follow(feed, call, arguments, position)) as news:
            async for one in news:
                position, events = one.position, list(one.events)
                if events or time.monotonic() >= until:
                    break
    carried = _carried(events)
    if len(carried) < len(events):
        position = carried[-1].position  # the next look brings the rest
    looked = Looked(beginning.log.log, beginning.log.epoch, position, carried)
    return Told(body=msgspec.msgpack.encode(looked))


def _carried(events: list[Logged]) -> list[Logged]:
    """Return the first of the events, as many as one answer may hold."""
    size = 0
    for at, event in enumerate(events):
        size += len(msgspec.msgpack.encode(event))
        if at and size > _LOOK_BYTES_MAX:
            return events[:at]
    return events
