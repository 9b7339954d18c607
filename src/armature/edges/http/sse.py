"""Feeds over HTTP: server-sent events (the WHATWG standard, 9.2), compiled from the `@feed`s of contracts.

The id of each event is a cursor, which a client sends back as `Last-Event-ID` to go on after it. Nothing waits in memory for a
client: each look at the log sends what is new, and a client that does not read for `_WRITE_SECONDS` is cut, to resume where it
was. A stream of a thing that does not exist is a stream without events, so that it tells nothing about other tenants' things.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, suppress
from time import monotonic
from typing import Any
from urllib.parse import parse_qsl

from armature.edges.http.app import ASGI, Beyond, Doors, Receive, Send
from armature.edges.http.protocol_exchange import Exchange
from armature.edges.http.refusals import MethodNotAllowed
from armature.edges.http.routes import Routes
from armature.edges.http.said_once import headers_of
from armature.engine.call import NOBODY
from armature.engine.event_log import Logged
from armature.engine.feeds import Feed, Following, Live
from armature.engine.ids import request_ids
from armature.engine.live import News
from armature.engine.served import Served
from armature.kernel.failure import Failure

__all__ = ["Feeds"]

_HEARTBEAT_SECONDS = 15.0
_WRITE_SECONDS = 10.0
# Permissions are asked at the start; a client comes back after so long and is asked again.
_AGE_SECONDS = 900.0
_RETRY = b"retry: 2000\n"
_HEADERS = ((b"content-type", b"text/event-stream"), (b"x-accel-buffering", b"no"))


class Feeds:
    """Finds the feed of a path, else whoever is `beyond`."""

    def __init__(self, pipelines: Sequence[tuple[Served, str]], doors: Doors, live: Live, beyond: Beyond | None = None) -> None:
        self._doors = doors
        self._live = live
        self._beyond = beyond
        self._request_id = request_ids()
        self._routes: Routes[Feed] = Routes()
        for pipeline, prefix in pipelines:
            self._routes.add("GET", prefix + pipeline.operation.path, Feed(pipeline))

    def find(self, scope: Any, path: str) -> ASGI | None:
        """Return who answers at the path."""
        found = self._routes.find(path)
        if found is None:
            return self._beyond.find(scope, path) if self._beyond is not None else None
        feed, values = found[0]["GET"], found[1]

        async def handle(scope: Any, receive: Receive, send: Send) -> None:
            await self._serve(feed, values, scope, _Client(receive, send))

        return handle

    async def _serve(self, feed: Feed, values: list[str], scope: Any, client: "_Client") -> None:
        if scope["type"] != "http" or scope["method"] != "GET":
            raise MethodNotAllowed(allowed=["GET"])
        sent = headers_of(scope["headers"])
        identity, tenant = self._doors.identity.find(sent)
        request_id = self._request_id()
        call = feed.pipeline.new_call(tenant, identity, request_id)
        if identity is NOBODY:
            call.address = self._doors.address(scope)
        feed.pipeline.authorise(call)
        await feed.pipeline.limit(call)
        pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        arguments = feed.pipeline.arguments.from_query(values, pairs)
        last = ("Last-Event-ID", sent.get(b"last-event-id", b"").decode("latin-1"))
        following = await self._live.follow(feed, call, arguments, last)
        with self._live.place():
            try:
                await client.start(self._doors.finish.stream(sent, request_id.encode(), _HEADERS))
                await client.write(_RETRY + _line(following, following.after) + b"\n")
                async with aclosing(following.news()) as news:
                    await _pour(news, following, client)
            finally:
                await client.end()


async def _pour(news: AsyncIterator[News], following: Following, client: "_Client") -> None:
    """Send what comes until somebody leaves; a log that cannot be read ends the stream, and the client comes back."""
    began = said = monotonic()
    with suppress(Failure):
        async for one in news:
            now = monotonic()
            if one.events:
                await client.write(_block(one, following))
                said = now
            elif now - said >= _HEARTBEAT_SECONDS:
                await client.write(b": alive\n" + _line(following, one.position) + b"\n")
                said = now
            if client.gone:
                return
            if client.leaving or now - began >= _AGE_SECONDS:
                break
    await client.write(_RETRY + b"\n")


def _block(news: News, following: Following) -> bytes:
    return b"".join(_event(event, following) for event in news.events)


def _event(event: Logged, following: Following) -> bytes:
    # JSON has no bare line ends within a value, so the payload is one line.
    lines = f"event: {event.type}\ndata: {event.payload}\n\n"
    return _line(following, event.position) + lines.encode()


def _line(following: Following, position: int) -> bytes:
    """The field that a client remembers."""
    return b"id: %b\n" % following.cursor(position).encode()


class _Client:
    """The far end of a stream."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        owner = getattr(receive, "__self__", None)
        self._exchange = owner if isinstance(owner, Exchange) else None
        self._watch: asyncio.Task[None] | None = None
        self._cut = False

    @property
    def gone(self) -> bool:
        """True when nobody reads any more."""
        return self._cut or (self._watch is not None and self._watch.done())

    @property
    def leaving(self) -> bool:
        """True when our own server takes leave; others end what they host themselves."""
        return self._exchange is not None and self._exchange.ledger.draining

    async def start(self, headers: list[tuple[bytes, bytes]]) -> None:
        """Begin the answer."""
        self._watch = asyncio.create_task(self._until_gone(), name="sse client")
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def write(self, body: bytes) -> None:
        """Send a piece; a client that takes nothing for too long is cut."""
        if self.gone:
            return
        try:
            async with asyncio.timeout(_WRITE_SECONDS):
                await self._send({"type": "http.response.body", "body": body, "more_body": True})
        except TimeoutError:
            self._cut = True
            if self._exchange is not None:
                self._exchange.cut()

    async def end(self) -> None:
        """End the answer, if it began and somebody reads it."""
        if self._watch is None:
            return
        if not self.gone:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        self._watch.cancel()
        await asyncio.wait((self._watch,))

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            continue
