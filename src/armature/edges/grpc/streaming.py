"""Feeds over gRPC: a server stream for each `@feed`, of the same cursors and the same log as server-sent events.

The first item is a cursor alone, so that a client can resume even if nothing comes; so is one every now and then, which shows
that the stream lives. A stream ends without error when it is old, or when the process takes leave: the client asks again with the
last cursor. One that does not read is cut, since nothing waits in memory for it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from time import monotonic
from typing import Any

import grpc
import msgspec

from armature.edges.grpc.codec import Codec
from armature.edges.grpc.doors import Arrived, Entry, Metadata
from armature.edges.grpc.proto import ProtoMethod
from armature.edges.grpc.unary import Request
from armature.engine.event_log import Logged
from armature.engine.feeds import Feed, Following, Live
from armature.engine.live import News
from armature.engine.upcasting import newest
from armature.kernel.event import EventType, event_type

__all__ = ["Streaming", "Until"]

_HEARTBEAT_SECONDS = 15.0
_WRITE_SECONDS = 10.0

_Read = Callable[[bytes | str], Any]


class Streaming:
    """Answers calls of one feed; `arriving` makes what grpc is given for each."""

    def __init__(self, entry: Entry, method: ProtoMethod, codec: Codec, live: Live, until: "Until") -> None:
        self._entry = entry
        self._feed = Feed(entry.pipeline)
        self._request = Request(entry.pipeline, method, codec)
        self._item = codec.maker(method.response)
        self._live = live
        self._until = until
        known = [event_type(one) for one in entry.pipeline.operation.declared.of]
        self._encode = codec.item(method.response)
        self._events: dict[str, tuple[EventType, _Read]] = {
            one.name: (one, msgspec.json.Decoder(one.type).decode) for one in known
        }

    def arriving(self, metadata: Metadata) -> "_Stream":
        """Return the handler of one call."""
        return _Stream(self, self._entry, metadata)

    async def handle(self, data: bytes, came: Arrived) -> None:
        """Stream until somebody leaves."""
        entry = self._entry
        try:
            await self._stream(data, came)
        except asyncio.CancelledError:
            entry.left(came)
            raise
        except Exception as error:
            await entry.refuse(error, came)
            raise
        entry.ended(came, grpc.StatusCode.OK, 200)

    async def _stream(self, data: bytes, came: Arrived) -> None:
        feed, pipeline = self._feed, self._entry.pipeline
        call = self._entry.call(came)
        pipeline.authorise(call)
        await pipeline.limit(call)
        message = self._request.message(data)
        asked = self._request.asked(message)
        arguments = pipeline.arguments.from_body(asked.path, asked.body)
        following = await self._live.follow(feed, call, arguments, ("after", message.after))
        with self._live.place():
            await came.context.send_initial_metadata((("x-request-id", came.request_id),))
            if not await self._write(self._alone(following, following.after), came):
                return
            async with aclosing(following.news()) as news:
                await self._pour(news, following, came)

    async def _pour(self, news: AsyncIterator[News], following: Following, came: Arrived) -> None:
        began = said = monotonic()
        async for one in news:
            now = monotonic()
            items = [self._with(event, following) for event in one.events]
            if not items and now - said >= _HEARTBEAT_SECONDS:
                items = [self._alone(following, one.position)]
            for item in items:
                if not await self._write(item, came):
                    return
                said = now
            if self._until.leaving or now - began >= self._until.age_seconds:
                return

    def _alone(self, following: Following, position: int) -> Any:
        return self._item(cursor=following.cursor(position))

    def _with(self, event: Logged, following: Following) -> Any:
        declared, decode = self._events[event.type]
        item = self._encode(decode(newest(declared, event.schema, event.payload)))
        item.cursor = following.cursor(event.position)
        return item

    async def _write(self, item: Any, came: Arrived) -> bool:
        """Send an item; False when the client took none for too long."""
        try:
            async with asyncio.timeout(_WRITE_SECONDS):
                await came.context.write(item.SerializeToString())
        except TimeoutError:
            return False
        return True


class _Stream(Arrived):
    """One call of a feed."""

    response_streaming = True
    __slots__ = ("_streaming",)

    def __init__(self, streaming: Streaming, entry: Entry, metadata: Metadata) -> None:
        super().__init__(entry, metadata)
        self._streaming = streaming

    async def stream_stream(self, _messages: Any, context: Any) -> None:
        """Stream; grpc asks for it by this name."""
        await self._streaming.handle(await self.message(context), self)


class Until:
    """When streams end by themselves."""

    __slots__ = ("age_seconds", "leaving")

    def __init__(self, age_seconds: float) -> None:
        self.age_seconds = age_seconds
        self.leaving = False
