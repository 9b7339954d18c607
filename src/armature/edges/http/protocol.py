"""The part of HTTP that ASGI servers leave to somebody else: deadlines, caps, and one strict reading of every message.

uvicorn's protocol keeps silent connections for ever, accepts a megabyte of header and forwards requests without a Host
(reference/reliability.md, fact 8 and section c). This one puts a gate in front of its parser. Bytes are judged before
they are parsed; the parser sees one message at a time and must agree where it ends; the next message of a pipeline
waits, unread beyond a small buffer, until this one is answered. Whatever is refused is refused with a problem and a
closed connection.
"""

import asyncio
import fcntl
import logging
import sys
import termios
from collections.abc import Callable
from contextvars import Context, copy_context
from enum import IntEnum
from typing import cast
from urllib.parse import unquote

import httptools
from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import get_local_addr, get_remote_addr, is_ssl

from armature.edges.http.protocol_body import ChunkedBody, SizedBody, body_too_large
from armature.edges.http.protocol_exchange import Exchange
from armature.edges.http.protocol_head import Head, examine, examine_partial, ordinary
from armature.edges.http.protocol_ledger import Ledger
from armature.edges.http.protocol_refusal import Refusal, Refused, malformed, render_problem
from armature.engine.eager_task import EagerTask

__all__ = ["GuardedProtocol", "Phase"]

log = logging.getLogger("armature.http")

# How long a refused client may go on sending before the connection is cut; closing at once would reset it, and the
# reset can overtake the refusal (RFC 9112 §9.6).
LINGER_SECONDS = 2.0
# While draining, a keep-alive connection that stayed silent this long is closed; one that speaks is answered first.
DRAIN_QUIET_SECONDS = 0.25
# The body's minimum rate is asked for only after this long: a first packet may be small.
RATE_GRACE_SECONDS = 1.0
SPEC = {"version": "3.0", "spec_version": "2.3"}

TOO_MANY = Refusal(503, "http:too_many_connections", "This server, or this address, has all the connections it may have.")
HEAD_LATE = Refusal(408, "http:head_timeout", "The request's head did not arrive in time.")
BODY_LATE = Refusal(408, "http:body_timeout", "The request's body did not arrive in time.")
BODY_SLOW = Refusal(408, "http:body_too_slow", "The request's body arrives more slowly than this server waits for.")
UNPARSED = malformed("syntax", "The request is not valid HTTP/1.1.")
# The parser sees a chunk's line as it arrives, the gate when it is complete; either may be the first to object.
UNPARSED_CHUNK = malformed("chunk", "The chunked body is out of shape.")


class Phase(IntEnum):
    """What the connection waits for."""

    IDLE = 0  # the first byte of a head
    HEAD = 1  # the rest of a head
    BODY = 2  # the rest of a body
    ANSWERING = 3  # the application
    LINGER = 4  # the client, to read our last words


IDLE, ANSWERING, LINGER = Phase.IDLE, Phase.ANSWERING, Phase.LINGER


class GuardedProtocol(HttpToolsProtocol):
    """One connection. `config` is uvicorn's, `ledger` is shared by all connections of the server."""

    def __init__(self, config: Config, ledger: Ledger, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(config, ledger, {}, loop)
        self.ledger = ledger
        self.asgi: ASGIApp = config.loaded_app
        self.exchange: Exchange | None = None
        self.phase = Phase.IDLE
        self.since = 0.0
        self.served = 0
        self.held = b""
        self.framing: SizedBody | ChunkedBody = SizedBody(0)
        self.parsed = False
        self.waits = False
        self.modern = True
        self.context = Context()
        self._key: str | None = None
        self._unsent = 0
        self._unsent_since = 0.0

    # -- the connection's life ----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the connection, or turn it away."""
        self.transport = transport
        self.flow = FlowControl(transport)
        self.server = get_local_addr(transport)
        self.client = get_remote_addr(transport)
        self.scheme = "https" if is_ssl(transport) else "http"
        self.context = copy_context()
        self.since = self.loop.time()
        self._key = self.ledger.admit(self, self.client[0] if self.client else "")
        if self._key is None:
            if self.ledger.turn_away(self):
                self.refuse(TOO_MANY)
            else:
                transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the application, forget the connection."""
        self.ledger.release(self, self._key)
        self.phase = Phase.LINGER
        exchange = self.exchange
        if exchange is not None:
            exchange.disconnected = exchange.disconnected or not exchange.response_complete
            exchange.ring()
        self.flow.resume_writing()
        self.parser = None  # type: ignore[assignment]
        # The parser, the exchange and this object refer to each other; taken apart, they go without the collector.
        self.exchange = None

    def refuse(self, refusal: Refusal) -> None:
        """Answer with a problem, unless an answer has begun, and end the connection so that the client can read it."""
        self.ledger.refusals[refusal.code] += 1
        exchange = self.exchange
        begun = False
        if self.phase is Phase.BODY and exchange is not None:
            begun = exchange.response_started
            if not exchange.response_complete:
                exchange.disconnected = True
                exchange.ring()
        if not begun:
            self.transport.write(render_problem(refusal, self.ledger.date_line))
        self._linger()

    def _linger(self) -> None:
        self.phase, self.since, self.held = Phase.LINGER, self.loop.time(), b""
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()

    def cut(self) -> None:
        """Close without waiting for anything."""
        if self.exchange is not None and not self.exchange.response_complete:
            self.exchange.disconnected = True
        self.transport.abort()

    # -- bytes in -----------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """A plain request that arrives whole is one pattern and one call; everything else takes the long way."""
        if self.phase is not IDLE:
            self._read(data)
            return
        found = ordinary(data)
        ledger = self.ledger
        if found is None or (end := found.end()) > ledger.quick_bytes_max or data.count(b"\n", 0, end) > ledger.lines_max:
            self._read(data)
            return
        length = int(found[1] or 0)
        if end + length == len(data) and length <= ledger.body_bytes_max:
            self.modern = True
            self._parse(data, True)
        else:
            self._guarded(self._begin, data, end, Head(length))

    def _read(self, data: bytes) -> None:
        if self.phase is Phase.LINGER:
            return
        if self.phase is ANSWERING:
            self.held += data
            if len(self.held) > HIGH_WATER_LIMIT:
                self.flow.pause_reading()
        elif self.phase is Phase.BODY:
            self._guarded(self._read_body, data, 0)
        else:
            self._guarded(self._read_head, self.held + data)

    def _guarded(self, step: Callable[..., None], *arguments: object) -> None:
        try:
            step(*arguments)
        except Refused as refused:
            self.refuse(refused.refusal)

    def _read_head(self, data: bytes) -> None:
        if self.phase is IDLE:
            self.phase = Phase.HEAD
            # The first head's clock runs from the connection's beginning, the others' from their first byte.
            self.since = self.loop.time() if self.served else self.since
        # RFC 9112 §2.2: one empty line before a request is forgiven; old clients send it after a body.
        data = data.removeprefix(b"\r\n")
        self.held = data
        end = data.find(b"\r\n\r\n") + 4
        if end >= 4:
            self._begin(data, end, examine(data[:end], self.ledger.head_limits))
        elif data not in (b"", b"\r"):
            examine_partial(data, self.ledger.head_limits)

    def _begin(self, data: bytes, end: int, head: Head) -> None:
        """The head, `data[:end]`, is good: find the end of its body."""
        cap = self.ledger.body_bytes_max
        if head.length is None:
            self.framing = ChunkedBody(cap, self.ledger.head_limits.bytes_max)
        elif head.length > cap:
            raise Refused(body_too_large(cap))
        else:
            self.framing = SizedBody(head.length)
        self.waits = head.waits and not self.framing.done
        self.modern = head.modern
        self.phase, self.since = Phase.BODY, self.loop.time()
        self._read_body(data, end)

    def _read_body(self, data: bytes, start: int) -> None:
        """Pass on what belongs to the current message (`data[:start]` is its head); what follows it waits."""
        end = self.framing.take(data, start)
        self.held = data[end:]
        self._parse(data[:end] if self.held else data, self.framing.done)

    def _parse(self, data: bytes, complete: bool) -> None:
        """Feed the parser; it must find the end of the message where the framing did, or one of the two misread it."""
        self.parsed = False
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # Another protocol was offered; it is declined by answering (RFC 9110 §7.8).
            pass
        except httptools.HttpParserError as wrong:
            log.warning("a request passed the gate and failed in the parser: %s", wrong)
            chunked = self.phase is Phase.BODY and isinstance(self.framing, ChunkedBody)
            self.phase = Phase.BODY
            self.refuse(UNPARSED_CHUNK if chunked else UNPARSED)
            return
        exchange = self.exchange
        if self.parsed is not complete or exchange is None:
            log.error("gate and parser disagree about the end of a request")
            self.phase = Phase.BODY
            self.refuse(UNPARSED)
        elif complete and exchange.response_complete:
            self._next()
        else:
            if complete:
                self.phase = ANSWERING
            if exchange.task is None:
                # Only now: most bodies are here, and an application that finds its body there need not wait for it.
                exchange.task = EagerTask(exchange.run_asgi(self.asgi), self.loop)
                self.ledger.tasks.add(cast("asyncio.Task[None]", exchange.task))
                exchange.task.begin()

    # -- the parser's callbacks ---------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A new message."""
        self.url = b""
        self.headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a field."""
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Make the request that the application will be asked."""
        self.served += 1
        raw_path, _, query = self.url.partition(b"?")
        if not raw_path.startswith(b"/"):
            raw_path = _path_of(raw_path)
        path = raw_path.decode("ascii")
        scope = {
            "type": "http",
            "asgi": SPEC,
            "http_version": "1.1" if self.modern else "1.0",
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,
            "method": self.parser.get_method().decode("ascii"),
            "root_path": self.root_path,
            "path": unquote(path) if "%" in path else path,
            "raw_path": raw_path,
            "query_string": query,
            "headers": self.headers,
        }
        # Trailer fields come through the same callback; they must not join headers that were already judged.
        self.headers = []
        exchange = self.exchange = Exchange(scope, self.transport, self.flow, self.ledger, self)
        exchange.keep_alive = (
            self.modern and self.parser.should_keep_alive() and self.served < self.ledger.policy.requests_per_connection_max
        )
        exchange.waiting_for_100_continue, self.waits = self.waits, False

    def on_body(self, body: bytes) -> None:
        """Hand over a piece of body, and stop reading while the application is behind."""
        exchange = self.exchange
        if exchange is None or exchange.response_complete:
            return
        if not exchange.body:
            exchange.body = body
        else:
            if isinstance(exchange.body, bytes):  # the second of perhaps very many pieces: from here on they are added in place
                exchange.body = bytearray(exchange.body)
            exchange.body += body
        if len(exchange.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        exchange.ring()

    def on_message_complete(self) -> None:
        """The request is complete."""
        self.parsed = True
        if self.exchange is not None:
            self.exchange.more_body = False
            self.exchange.ring()

    def on_response_complete(self) -> None:
        """Go on with the next request, or end the connection as the answer said."""
        self.ledger.total_requests += 1
        exchange = self.exchange
        if exchange is None or self.phase is LINGER:
            return
        if not exchange.keep_alive:
            if self.held or self.phase is Phase.BODY:
                self._linger()
            else:
                self.phase, self.since = Phase.LINGER, self.loop.time()
                self.transport.close()
        elif self.phase is ANSWERING:
            self._next()
        else:
            # Answered before the body was complete: the rest is read and dropped, under the same deadline.
            self.flow.resume_reading()

    def _next(self) -> None:
        held, self.held = self.held, b""
        self.phase, self.since, self.exchange = IDLE, self.loop.time(), None
        self.flow.resume_reading()
        if held:
            # We are called from the answered request's task; the next one must not inherit its context variables.
            self.context.run(self.data_received, held)

    # -- the clock ----------------------------------------------------------------------------------------------------

    def begin_drain(self) -> None:
        """An idle client gets a moment to send what is already on its way."""
        if self.phase is IDLE:
            self.since = self.loop.time()

    def sweep(self, now: float) -> None:
        """Act if the present state has lasted too long."""
        policy, waited = self.ledger.policy, now - self.since
        unsent = self.transport.get_write_buffer_size()
        if unsent:
            self._sweep_unsent(now, unsent)
        elif self.phase is IDLE:
            limit = policy.keep_alive_seconds if self.served else policy.head_seconds
            limit = min(limit, DRAIN_QUIET_SECONDS) if self.ledger.draining else limit
            # A request that the kernel has and the loop has not read yet must not meet a closed door.
            if waited > limit and not self._unread():
                self.transport.close()
        elif self.phase is Phase.HEAD:
            if waited > policy.head_seconds:
                self.refuse(HEAD_LATE)
        elif self.phase is Phase.BODY:
            self._sweep_body(now, waited)
        elif self.phase is Phase.LINGER and waited > LINGER_SECONDS:
            self.transport.abort()
        self._unsent = unsent

    def _unread(self) -> int:
        """Bytes that have arrived and wait in the kernel."""
        handle = self.transport.get_extra_info("socket").fileno()
        return int.from_bytes(fcntl.ioctl(handle, termios.FIONREAD, bytes(4)), sys.byteorder)

    def _sweep_body(self, now: float, waited: float) -> None:
        policy, exchange = self.ledger.policy, self.exchange
        if self.flow.read_paused or (exchange is not None and exchange.waiting_for_100_continue):
            # It is our side that keeps the client waiting: the clock stands still.
            self.since = min(now, self.since + self.ledger.sweep_seconds)
        elif waited > policy.body_seconds:
            self.refuse(BODY_LATE)
        elif self.framing.received < policy.body_bytes_per_second_min * (waited - RATE_GRACE_SECONDS):
            self.refuse(BODY_SLOW)

    def _sweep_unsent(self, now: float, unsent: int) -> None:
        """A client that takes no byte of its answer for as long as a body may take is gone."""
        if unsent != self._unsent:
            self._unsent_since = now
        elif now - self._unsent_since > self.ledger.policy.body_seconds:
            self.transport.abort()


def _path_of(target: bytes) -> bytes:
    """The path in an absolute-form target (`http://host/path`); `*` stays as it is."""
    return b"/" + target.partition(b"://")[2].partition(b"/")[2] if b"://" in target else target
