"""Publishing in bulk: whole protocol frames written in one go, and acks read off the wire before the client's parser.

The client's own publish costs 17 µs an event, most of it in parsing the acks; this costs about 3. It leans on five names inside
the client (nats-py 2.16: `_ps`, `_transport`, `_flush_pending`, `Parser.buf`, `Parser.state`), and nothing else does: `supported`
says whether they are still there; a test asks it. What the fast reading does not recognise goes to the client's parser, and an
ack that arrives that way counts as well.
"""

import re
from collections.abc import Callable

from nats.aio.client import Client
from nats.errors import ConnectionClosedError
from nats.protocol.parser import AWAITING_CONTROL_LINE, Parser

__all__ = ["AckParser", "FastClient", "Stored", "supported"]

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


class AckParser(Parser):
    """The client's parser, with a short way for acks to the inboxes in `inboxes`."""

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.inboxes: dict[bytes, _Inbox] = {}
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
        self._rest = data[self._acks(data) :]
        if self._rest and not self._is_cut_ack():
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
    """The client with `AckParser` in its parser's place."""

    def __init__(self) -> None:
        super().__init__()
        self._acks = AckParser(self)
        self._ps = self._acks

    def listen_for_acks(self, inbox: bytes, stored: Stored) -> None:
        """Tell `stored` the last words of the subjects below `inbox` (`_INBOX.ack.<…>`) that a stream acknowledges."""
        self._acks.inboxes[inbox] = _Inbox(inbox, stored)

    def forget_acks(self, inbox: bytes) -> None:
        """Leave acks for `inbox` to its subscription."""
        self._acks.inboxes.pop(inbox, None)

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


def supported(client: FastClient) -> bool:
    """Say whether a connected client still is what this file relies on."""
    names = ("reset", "buf", "state")
    parser = isinstance(client._ps, AckParser) and all(hasattr(client._ps, name) for name in names)
    return parser and hasattr(client, "_flush_pending") and all(hasattr(client._transport, name) for name in ("write", "drain"))
