"""What can be wrong with a network, one class for each; a proxy is in one of them at a time."""

import asyncio

from armature.testing.faults.link import Flow, Link, Mode, Side

__all__ = ["Blackhole", "Delay", "Duplicate", "LoseAnswers", "Pass", "Refuse", "Reset", "Throttle", "Truncate"]

_SLICES_PER_SECOND = 20
"""How finely a throttled second is cut."""


class Pass(Mode, frozen=True):
    """Nothing is wrong."""

    async def carry(self, flow: Flow, piece: bytes) -> bytes:
        """Send all of it."""
        await flow.send(piece)
        return b""


class Refuse(Mode, frozen=True):
    """Nobody listens (ECONNREFUSED), as when the server is down; open connections are reset.

    The kernel refuses, so attempts are not seen here: the count is of the connections that were cut. Let the test assert that
    its caller was refused.
    """

    async def enters(self, link: Link) -> bool:
        """Cut what is there; no new ones come."""
        _end(link, self)
        return False

    async def carry(self, flow: Flow, piece: bytes) -> bytes:
        """Nothing passes."""
        return b""


class Reset(Mode, frozen=True):
    """Connections are taken and reset at once (RST), as by a crashing server or a firewall; counts resets."""

    async def enters(self, link: Link) -> bool:
        """Reset it."""
        _end(link, self)
        return False

    async def carry(self, flow: Flow, piece: bytes) -> bytes:
        """Nothing passes."""
        return b""


class Blackhole(Mode, frozen=True):
    """Connections stay open and nothing moves in either direction, as in a partition; counts what it held.

    What was held arrives after the partition heals, late, as TCP would have sent it again. With `keepalive` the server takes
    its clients for dead after so many seconds, and ends its side of the connections; the clients hear of that when it heals.
    """

    keepalive: float | None = None

    async def enters(self, link: Link) -> bool:
        """A new connection is taken by the kernel and hears nothing."""
        if not link.started:
            link.counts["Blackhole"] += 1
            await _until_healed(link, self)
        elif self.keepalive is not None:
            asyncio.get_running_loop().call_later(self.keepalive, self._give_up, link)
        return True

    async def ends(self, link: Link) -> None:
        """Hold that too."""
        await _until_healed(link, self)

    def _give_up(self, link: Link) -> None:
        if link.mode is self and not link.over:
            link.give_up()

    async def carry(self, flow: Flow, piece: bytes) -> bytes:
        """Hold it."""
        flow.link.counts["Blackhole"] += 1
        await _until_healed(flow.link, self)
        return piece


class Delay(Mode, frozen=True):
    """Each piece arrives so much later, in order; counts pieces. Pieces of one direction wait one after another."""

    seconds: float

    async def carry(self, flow: Flow, piece: bytes) -> bytes:
        """Wait, then send."""
        flow.link.counts["Delay"] += 1
        await asyncio.sleep(self.seconds)
        await flow.send(piece)
        return b""


class Throttle(Mode, frozen=True):
    """Each direction of each connection gets so many bytes a second; counts the slices."""

    bytes_per_second: int

    async def carry(self, flow: Flow, piece: bytes) -> bytes:
        """Send a slice, and wait for as long as it is worth."""
        size = max(self.bytes_per_second // _SLICES_PER_SECOND, 1)
        flow.link.counts["Throttle"] += 1
        await flow.send(piece[:size])
        await asyncio.sleep(size / self.bytes_per_second)
        return piece[size:]


class LoseAnswers(Mode, frozen=True):
    """What the client says arrives; what the server says does not: the lost acknowledgement. Counts the answers it lost.

    With `cut` the client's connection is reset when the first answer is lost: by then the server has done its work, and the
    client cannot know. Without it the client waits.
    """

    cut: bool = True

    async def carry(self, flow: Flow, piece: bytes) -> bytes:
        """Throw it away if the server said it."""
        if flow.side == "client":
            await flow.send(piece)
        else:
            flow.link.counts["LoseAnswers"] += 1
            if self.cut:
                flow.link.reset()
        return b""


class Truncate(Mode, frozen=True):
    """Of what one side says only the next `after` bytes arrive, in the middle of whatever that is; then the connection
    ends. Counts the ends."""

    after: int
    side: Side = "server"

    async def carry(self, flow: Flow, piece: bytes) -> bytes:
        """Send what may still pass."""
        if flow.side != self.side:
            await flow.send(piece)
            return b""
        room = self.after - flow.carried
        await flow.send(piece[:room])
        if len(piece) > room:
            flow.link.counts["Truncate"] += 1
            flow.link.close()
        return b""


class Duplicate(Mode, frozen=True):
    """Everything the client says reaches the server twice, the second time over a connection of its own whose answers nobody
    reads; counts connections that were doubled. Only connections opened in this mode are, and for as long as it lasts."""

    async def enters(self, link: Link) -> bool:
        """Open the twin together with the connection."""
        if not link.started:
            await link.open_twin()
            link.counts["Duplicate"] += 1
        return True

    async def carry(self, flow: Flow, piece: bytes) -> bytes:
        """Send it, and once more."""
        if flow.side == "client":
            flow.link.tell_twin(piece)
        await flow.send(piece)
        return b""


def _end(link: Link, mode: Mode) -> None:
    link.counts[type(mode).__name__] += 1
    link.reset()


async def _until_healed(link: Link, mode: Mode) -> None:
    while link.mode is mode and not link.over:
        await link.wait()
