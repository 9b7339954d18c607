"""What comes and goes in masses: whole protocol frames are written, and acks and messages read before the client's parser.

The client's own publish costs 17 µs an event, most of it in parsing the acks; this costs about 3. It leans on ten names inside
the client (nats-py 2.16: `_ps`, `_transport`, `_flush_pending`, `_flush_queue`, `_send_command`, `_pending`,
`_pending_data_size`, `_max_pending_size`, `Parser.buf`, `Parser.state`), and nothing else does: `supported` says whether they
are still there; a test asks it. What the fast reading does not recognise goes to the client's parser, and what arrives that way
counts as well.
"""

import asyncio
import re
from collections.abc import Callable

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import ConnectionClosedError, OutboundBufferLimitError
from nats.protocol.parser import AWAITING_CONTROL_LINE, Parser

from armature.adapters.nats.messages import Taker, is_cut, take

__all__ = ["FastClient", "FastParser", "Stored", "supported"]

Stored = Callable[[list[int]], None]
"""Told the numbers of messages that were stored, in the order in which the acks came."""

# An ack of a stored message, and its number; servers write two spaces where a reply would stand. What is refused, or comes with
# headers, is left to the client's parser.
_ACKS = rb"(?:MSG %b\.\d+ \d+ +\d+\r\n\{\"stream\"[^\r\n]*\}\r\n)++"
_NUMBER = rb"MSG %b\.(\d+) "
_BEGINNING = b"MSG _INBOX.ack."
_FRAME_MAX = 4096


class _Inbox:
    """Where acks of one publisher arrive."""

    def __init__(self, name: bytes, stored: Stored) -> None:
        self.acks = re.compile(_ACKS % re.escape(name))
        self.numbers = re.compile(_NUMBER % re.escape(name))
        self.stored = stored


class FastParser(Parser):
    """The client's parser, with a short way for acks to the inboxes in `inboxes` and for messages to `takers`."""

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.inboxes: dict[bytes, _Inbox] = {}
        self.takers: dict[bytes, Taker] = {}
        self._rest = b""

    def reset(self) -> None:
        """Forget a half-read message; the connection was made anew."""
        super().reset()
        self._rest = b""

    async def parse(self, data: bytes = b"") -> None:
        """Read what came from the server."""
        if self.buf or self.state != AWAITING_CONTROL_LINE:
            await super().parse(data)
            return
        data = self._rest + data
        self._rest = data[take(data, self._acks(data), self.takers) :]
        if self._rest and not self._is_cut_ack() and not (self.takers and is_cut(self._rest, self.takers)):
            rest, self._rest = self._rest, b""
            await super().parse(rest)

    def _acks(self, data: bytes) -> int:
        """Hand over the acks that `data` begins with; return where they end."""
        end = 0
        for inbox in self.inboxes.values():
            while found := inbox.acks.match(data, end):
                inbox.stored(list(map(int, inbox.numbers.findall(data, end, found.end()))))
                end = found.end()
        return end

    def _is_cut_ack(self) -> bool:
        begins = self._rest.startswith(_BEGINNING) or _BEGINNING.startswith(self._rest)
        return begins and len(self._rest) < _FRAME_MAX and self._rest.count(b"\n") < 2


class FastClient(Client):
    """The client with `FastParser` in its parser's place."""

    def __init__(self) -> None:
        super().__init__()
        self._fast = FastParser(self)
        self._ps = self._fast

    def listen_for_acks(self, inbox: bytes, stored: Stored) -> None:
        """Tell `stored` the last words of the subjects below `inbox` (`_INBOX.ack.<…>`) that a stream acknowledges."""
        self._fast.inboxes[inbox] = _Inbox(inbox, stored)

    def forget_acks(self, inbox: bytes) -> None:
        """Leave acks for `inbox` to its subscription."""
        self._fast.inboxes.pop(inbox, None)

    async def take(self, subject: str, taker: Taker, queue: str = "") -> Subscription:
        """Subscribe; `taker` is told of each message as it is read. Until `release`, or the subscription's drain."""

        async def slowly(message: Msg) -> None:
            taker(message.subject.encode(), message.reply.encode(), message.data, message.headers)

        subscription = await self.subscribe(subject, queue=queue, cb=slowly)
        self._fast.takers[_number(subscription)] = taker
        return subscription

    def release(self, subscription: Subscription) -> None:
        """Take no more of its messages."""
        self._fast.takers.pop(_number(subscription), None)

    async def post(self, frame: bytes) -> None:
        """Send a frame with whatever else is sent in this turn of the loop; wait while too much is on its way.

        While the connection is away it is kept for its return, as far as there is room; else raises `OutboundBufferLimitError`.
        """
        if self._pending_data_size + len(frame) > self._max_pending_size:
            await self._crowded(frame)
            return
        self._pending.append(frame)
        self._pending_data_size += len(frame)
        if self._flush_queue is not None and self._flush_queue.empty():
            await self._flush_pending()

    async def _crowded(self, frame: bytes) -> None:
        if not self.is_connected:
            raise OutboundBufferLimitError
        asking = asyncio.current_task()
        told_to_leave = asking.cancelling() if asking is not None else 0
        await self._send_command(frame)
        if asking is not None and asking.cancelling() > told_to_leave:
            # The client waits for room, and drops a cancellation that comes meanwhile.
            raise asyncio.CancelledError

    async def flush(self, timeout: int = 10) -> None:
        """Wait until the server has taken all that was asked; the client's own ping overtakes what its buffer still holds."""
        await self._flush_pending(force_flush=True)
        await super().flush(timeout)

    async def write(self, frames: list[bytes]) -> None:
        """Write whole frames in one go, and wait while the socket is full."""
        transport = self._transport
        if transport is None:
            raise ConnectionClosedError
        transport.write(b"".join(frames))
        await transport.drain()  # type: ignore[no-untyped-call]


def _number(subscription: Subscription) -> bytes:
    return b"%d" % subscription._id


def supported(client: FastClient) -> bool:
    """Say whether a connected client still is what this file relies on."""
    parser = isinstance(client._ps, FastParser) and all(hasattr(client._ps, name) for name in ("reset", "buf", "state"))
    names = ("_flush_pending", "_flush_queue", "_send_command", "_pending", "_pending_data_size", "_max_pending_size")
    sending = all(hasattr(client, name) for name in names)
    return parser and sending and all(hasattr(client._transport, name) for name in ("write", "drain"))
