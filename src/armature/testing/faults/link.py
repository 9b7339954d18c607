"""One client's connection through the proxy, and what a mode may do to it.

A link has two flows, one for each direction. A flow reads a piece and asks the mode that is in force to carry it; what a mode
hands back is carried by the mode that is in force then, so that healing a fault lets through what it held.
"""

import asyncio
import socket
import struct
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Literal

from msgspec import Struct

__all__ = ["Flow", "Link", "Mode", "Side"]

Side = Literal["client", "server"]
"""Who sends the bytes of a flow."""

_PIECE = 65_536
_NO_LINGER = struct.pack("ii", 1, 0)
"""Closing such a socket sends RST instead of FIN."""


class Mode(Struct, frozen=True):
    """What the proxy does with bytes and connections while it is in force; each counts under its class's name."""

    async def enters(self, link: "Link") -> bool:
        """Look at a link when the mode comes into force or the link is new; False: the link is over."""
        return True

    @abstractmethod
    async def carry(self, flow: "Flow", piece: bytes) -> bytes:
        """Send on some of a piece; return what is left of it."""

    async def ends(self, link: "Link") -> None:
        """Return when the other side may hear that this one has said all."""
        return


class Flow:
    """The bytes one side sends. `carried` counts what passed under the present mode, `total` what ever passed."""

    def __init__(self, link: "Link", side: Side, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.link, self.side = link, side
        self.carried = self.total = 0
        self._reader, self._writer = reader, writer
        self._mode: Mode | None = None

    async def run(self) -> None:
        """Carry until this side has said all it had to say."""
        try:
            while piece := await self._reader.read(_PIECE):
                await self._carry(piece)
            await self.link.mode.ends(self.link)
            if not self._writer.is_closing():
                self._writer.write_eof()
        except OSError:
            self.link.reset()

    async def send(self, piece: bytes) -> None:
        """Pass bytes to the other side; nothing after the link is over."""
        if self._writer.is_closing():
            return
        self._writer.write(piece)
        self.carried += len(piece)
        self.total += len(piece)
        await self._writer.drain()

    async def _carry(self, piece: bytes) -> None:
        left = await self.link.watch(self, piece)
        while left and not self.link.over:
            mode = self.link.mode
            if mode is not self._mode:
                self._mode, self.carried = mode, 0
            left = await mode.carry(self, left)


Watch = Callable[[Flow, bytes], Coroutine[None, None, bytes]]


class Link:
    """`mode` is the proxy's, or this link's own after a trigger; `counts` are the proxy's."""

    def __init__(self, counts: Counter[str], default: Callable[[], Mode], watch: Watch) -> None:
        self.counts = counts
        self.over = self.started = False
        self.own: Mode | None = None
        self._changed = asyncio.Event()
        self._default = default
        self._watch = watch
        self._client: asyncio.StreamWriter | None = None
        self._server: asyncio.StreamWriter | None = None
        self._twin: asyncio.StreamWriter | None = None
        self._twin_answers: asyncio.Task[bytes] | None = None
        self._port = 0

    @property
    def mode(self) -> Mode:
        """The mode in force."""
        return self.own or self._default()

    async def run(self, client: tuple[asyncio.StreamReader, asyncio.StreamWriter], port: int) -> None:
        """Connect both sides and carry until they are done."""
        reader, self._client = client
        self._port = port
        try:
            # A mode may hold a new link; the one that is in force afterwards looks at it again.
            mode: Mode | None = None
            while mode is not self.mode:
                mode = self.mode
                if not await mode.enters(self) or self.over:
                    return
            answers, self._server = await asyncio.open_connection("127.0.0.1", port)
            self.started = True
            flows = (Flow(self, "client", reader, self._server), Flow(self, "server", answers, self._client))
            await asyncio.gather(*(flow.run() for flow in flows))
        except OSError:
            self.counts["unreachable"] += 1
            self.reset()
        finally:
            self.close()

    def watch(self, flow: Flow, piece: bytes) -> Coroutine[None, None, bytes]:
        """Let triggers look at a piece; return what they left of it."""
        return self._watch(flow, piece)

    async def wait(self) -> None:
        """Return when another mode may be in force."""
        await self._changed.wait()

    def wake(self) -> None:
        """Make whoever waits look at the mode again."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def open_twin(self) -> None:
        """Open a second connection to the server; its answers are read and thrown away."""
        answers, self._twin = await asyncio.open_connection("127.0.0.1", self._port)
        self._twin_answers = asyncio.create_task(answers.read())

    def tell_twin(self, piece: bytes) -> None:
        """Say the same over the second connection, if there is one."""
        if self._twin is not None and not self._twin.is_closing():
            self._twin.write(piece)

    def give_up(self) -> None:
        """End the server's side alone, as the server does with a client that it takes for dead."""
        if self._server is not None:
            self._server.transport.abort()

    def reset(self) -> None:
        """End it as a crash would: RST to the client, while the server sees a client that left after what had passed."""
        self.over = True
        client = self._client
        if client is not None and not client.is_closing():
            client.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            client.transport.abort()
        self.close()

    def close(self) -> None:
        """End it in order: both sides get what was sent, and then the end."""
        self.over = True
        for writer in (self._client, self._server, self._twin):
            if writer is not None:
                writer.close()
        self.wake()
