"""What gRPC says of a message when the connection ends under it: was it certainly not begun, or may it have been?

The other side is spoken by hand here, frame by frame, so that each order of events is had at will.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from armature.adapters.grpc.outcomes import NOT_TAKEN
from armature.adapters.grpc.targets import Target
from armature.ports.links import LinkError, LinkLost, NotSent
from tests.neighbours.pair import SECONDS_MAX, asking, told

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS, GOAWAY = 0x0, 0x1, 0x4, 0x7
ACK = END_STREAM = 0x1
END_HEADERS = 0x4
OK = b"\x88"
"""HPACK's entry for `:status: 200`."""

Ending = Callable[[asyncio.StreamWriter, int], Awaitable[None]]
"""What the other side does once it has the whole of a message; given its stream."""


def frame(kind: int, payload: bytes = b"", flags: int = 0, stream: int = 0) -> bytes:
    return len(payload).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4) + payload


def literal(name: str, value: str) -> bytes:
    """One field as HPACK writes it without its tables."""
    return b"\x00" + b"".join(bytes((len(one),)) + one.encode() for one in (name, value))


def goaway(last_stream: int) -> bytes:
    return frame(GOAWAY, last_stream.to_bytes(4) + bytes(4))


@asynccontextmanager
async def by_hand(ending: Ending) -> AsyncIterator[str]:
    """Someone who speaks as much HTTP/2 as it takes to be sent a message; yields the address."""

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readexactly(len(PREFACE))
            writer.write(frame(SETTINGS))
            while True:
                head = await reader.readexactly(9)
                await reader.readexactly(int.from_bytes(head[:3]))
                kind, flags, stream = head[3], head[4], int.from_bytes(head[5:])
                if kind == SETTINGS and not flags & ACK:
                    writer.write(frame(SETTINGS, flags=ACK))
                if kind == DATA and flags & END_STREAM:
                    await ending(writer, stream)
                    writer.close()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async with await asyncio.start_server(meet, "127.0.0.1", 0) as server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def outcome(ending: Ending) -> LinkError:
    async with by_hand(ending) as address, asking(address, None) as edge:
        try:
            await edge.ask("counter", b"hello", SECONDS_MAX)
        except LinkError as error:
            return error
    raise AssertionError("it was answered")


async def test_what_a_goaway_does_not_cover_was_certainly_not_begun() -> None:
    async def before_it(writer: asyncio.StreamWriter, stream: int) -> None:
        writer.write(goaway(stream - 1))
        await writer.drain()

    assert isinstance(await outcome(before_it), NotSent)


async def test_what_a_goaway_covers_and_nobody_answers_may_have_been_begun() -> None:
    async def after_it(writer: asyncio.StreamWriter, stream: int) -> None:
        writer.write(goaway(stream))
        await writer.drain()

    assert isinstance(await outcome(after_it), LinkLost)


async def test_what_was_there_when_the_connection_broke_may_have_been_begun() -> None:
    async def broken(writer: asyncio.StreamWriter, stream: int) -> None:
        pass

    assert isinstance(await outcome(broken), LinkLost)


async def test_who_said_that_it_leaves_is_not_asked_again_before_it_has_left() -> None:
    had: list[int] = []

    async def refused(writer: asyncio.StreamWriter, stream: int) -> None:
        had.append(stream)
        fields = {"content-type": "application/grpc", "grpc-status": "14", **dict(NOT_TAKEN)}
        block = OK + b"".join(literal(*one) for one in fields.items())
        writer.write(frame(HEADERS, block, END_HEADERS | END_STREAM, stream))
        await writer.drain()

    async with by_hand(refused) as address, asking(address, None) as edge:
        for _ in range(2):
            assert await told(edge) == ("Leaving", "'counter': process 'app' is leaving")
    assert had == [1]


def test_one_answerer_is_behind_a_socket_and_behind_numbers_and_several_may_be_behind_a_name() -> None:
    sole = ["unix:/tmp/app.1-0.sock", "dns:///10.0.0.7:9443", "dns:///[fd00::7]:9443"]
    assert [Target(one, "app").sole for one in (*sole, "dns:///app:9443", "ipv4:10.0.0.7:1,10.0.0.8:1")] == [True] * 3 + [
        False
    ] * 2
