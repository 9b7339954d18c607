"""One request and its response, from the first byte of the head to the last byte of the answer.

It keeps uvicorn's receive side and replaces the send side: the response's head waits for the first piece of body (as ASGI
asks), so that most answers are one write; header injection is found by counting line ends instead of searching every
field; an answer that must end the connection ends it in a way that lets the client read it.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, cast

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from armature.edges.http.protocol_ledger import Connection, Ledger
from armature.edges.http.protocol_refusal import Refusal, render_problem
from armature.engine.eager_task import EagerTask

__all__ = ["Exchange"]

log = logging.getLogger("armature.http")

CRASHED = Refusal(500, "http:internal", "The application failed to answer; the failure is in the server's log.")
BODILESS = frozenset({204, 304})
_line = b": ".join


class Exchange(RequestResponseCycle):
    """The ASGI conversation about one request. `keep_alive` is told to the client and honoured by the connection."""

    # Most bodies come in one piece, which is then not copied.
    body: bytes | bytearray  # type: ignore[assignment]

    def __init__(
        self,
        scope: Any,
        transport: asyncio.Transport,
        flow: FlowControl,
        ledger: Ledger,
        connection: Connection,
    ) -> None:
        # uvicorn's constructor only assigns; the fields that this class's own send and run do not read are left out.
        self.scope = scope
        self.transport = transport
        self.flow = flow
        self.ledger = ledger
        self.connection = connection
        self._event: asyncio.Event | None = None
        self._news = False
        self.disconnected = False
        self.keep_alive = True
        self.waiting_for_100_continue = False
        self.body = b""
        self.more_body = True
        self.response_started = False
        self.response_complete = False
        self.chunked_encoding: bool | None = None
        self.expected_content_length = 0
        self.bodiless = scope["method"] == "HEAD"
        self.task: EagerTask | None = None
        self._head: bytes | None = None

    @property
    def message_event(self) -> asyncio.Event:  # type: ignore[override]  # uvicorn's is an attribute
        """What `receive` waits for; made for whoever asks, because a body that is here at once is fetched without."""
        event = self._event
        if event is None:
            event = self._event = asyncio.Event()
            if self._news:
                event.set()
        return event

    def ring(self) -> None:
        """Let `receive` look again: there is more of the body, or the conversation is over."""
        self._news = True
        if self._event is not None:
            self._event.set()

    @property
    def gone(self) -> bool:
        """True when the client has closed the connection; the pipeline looks at it while a call runs."""
        return self.disconnected

    def cut(self) -> None:
        """Close the connection in the middle of an answer, because its client takes no more of it."""
        self.disconnected = True
        self.transport.abort()

    def whole_body(self) -> bytes | None:
        """Return the body when all of it is here already, as nearly always; None: ask `receive`, as ASGI has it."""
        if self.more_body or self.disconnected or self.waiting_for_100_continue:
            return None
        body, self.body = bytes(self.body), b""
        return body

    async def run_asgi(self, app: Any) -> None:
        """Run the application; whatever it does, the client gets an end: the answer, a 500, or a cut connection."""
        try:
            await app(self.scope, self.receive, self.send)
            if not self.response_complete and not self.disconnected:
                log.error("the application returned without a complete answer to %s", self.scope["path"])
        except Exception:
            log.exception("the application raised while it answered %s", self.scope["path"])
        finally:
            # Also on the way of a cancellation: a connection without an answer and without an end would stay for ever.
            if self.task is not None:
                self.ledger.tasks.discard(cast("asyncio.Task[None]", self.task))
            if not self.response_complete and not self.disconnected:
                self._abandon()

    def _abandon(self) -> None:
        """The application left no complete answer: a 500 when nothing was sent yet, else only a cut is honest."""
        started, self.response_started, self.response_complete = self.response_started, True, True
        self.keep_alive = False
        if started and self._head is None:
            self.transport.abort()
            return
        self.transport.write(render_problem(CRASHED, self.ledger.date_line))
        self._finish()

    async def send(self, message: Any) -> None:
        """ASGI's send."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        kind = message["type"]
        if not self.response_started:
            if kind != "http.response.start":
                raise RuntimeError(f"http.response.start must come first, not {kind!r}")
            self._start(message["status"], message.get("headers", ()))
        elif self.response_complete:
            raise RuntimeError(f"{kind!r} was sent after the response was complete")
        elif kind != "http.response.body":
            raise RuntimeError(f"http.response.body was expected, not {kind!r}")
        else:
            self._write(message.get("body", b""), message.get("more_body", False))

    def answer(self, status: int, headers: Sequence[tuple[bytes, bytes]], fixed: bytes, body: bytes) -> bool:
        """Send a whole answer of the platform's own application, without ASGI's two messages; False: take the long way.

        The caller's names are lower case, its content-length is true, and it sets neither connection nor transfer-encoding.
        `fixed` are whole lines that come from nobody's request.
        """
        if self.flow.write_paused or self.response_started:
            return False
        if self.disconnected:
            return True
        block = b"\r\n".join([*map(_line, headers), fixed])
        if not block.count(b"\n") == block.count(b"\r") == len(headers) + fixed.count(b"\n") or block.find(b"\0") >= 0:
            raise RuntimeError("a response header holds a line end or a NUL")
        self.keep_alive = self._stays_open()
        end = b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n"
        head = b"".join((STATUS_LINE[status], self.ledger.date_line, block, end))
        self.response_started = True
        self.transport.write(head if self.bodiless or not body else head + body)
        self._finish()
        return True

    def _start(self, status: int, headers: Any) -> None:
        parts = []
        closes = False
        for name, value in headers:
            name = name.lower()
            if name == b"content-length":
                self.expected_content_length = int(value)
                self.chunked_encoding = False
            elif name == b"transfer-encoding":
                continue
            elif name == b"connection":
                closes = closes or b"close" in value.lower()
                continue
            parts.append(b"%b: %b\r\n" % (name, value))
        block = b"".join(parts)
        if not block.count(b"\n") == block.count(b"\r") == len(parts) or b"\0" in block:
            raise RuntimeError("a response header holds a line end or a NUL")
        self.keep_alive = self._stays_open() and not closes
        self.bodiless = self.bodiless or status in BODILESS
        if self.chunked_encoding is None and not self.bodiless:
            if self.scope["http_version"] == "1.1":
                self.chunked_encoding = True
                block += b"transfer-encoding: chunked\r\n"
            else:
                # HTTP/1.0 knows no chunks: the end of the connection is the end of the body.
                self.keep_alive = False
        end = b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n"
        self._head = b"%b%b%b%b" % (STATUS_LINE[status], self.ledger.date_line, block, end)
        self.response_started = True

    def _stays_open(self) -> bool:
        # A client that still waits for "100 Continue" may or may not send the body now; nobody can tell where the next
        # request would begin.
        waiting, self.waiting_for_100_continue = self.waiting_for_100_continue, False
        # What a leaving server has already received it still answers; the last answer says that there will be no other.
        leaving = self.ledger.draining and not self.connection.held
        return self.keep_alive and not waiting and not leaving

    def _write(self, body: bytes, more: bool) -> None:
        head, self._head = self._head or b"", None
        if self.bodiless:
            body = b""
        elif self.chunked_encoding:
            body = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + (b"" if more else b"0\r\n\r\n")
        elif self.chunked_encoding is False:
            self.expected_content_length -= len(body)
            if self.expected_content_length < 0 or (self.expected_content_length and not more):
                self._head = head or None
                raise RuntimeError("the response's body is not as long as its Content-Length")
        if head or body:
            self.transport.write(head + body if body else head)
        if not more:
            self._finish()

    def _finish(self) -> None:
        self.response_complete = True
        self.ring()
        self.connection.on_response_complete()
