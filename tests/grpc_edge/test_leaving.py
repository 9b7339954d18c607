"""Asked to leave, the gRPC side says goodbye on every connection and finishes what it took (I31)."""

import asyncio
import socket
import struct
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import aio

from armature.testing.server import RunningServer
from tests.edges.wire import until
from tests.grpc_edge.conftest import Open, OpenLevers
from tests.grpc_edge.refusal import bare
from tests.grpc_edge.rig import ROOT
from tests.grpc_edge.stock import Stock
from tests.model import probe

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5)
_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _GOAWAY, _WINDOW = 0, 1, 3, 4, 6, 7, 8
_ACK = _END_STREAM = 0x1
_END_HEADERS = 0x4
_SERVING, _NOT_SERVING = (b"\0\0\0\0\x02\x08" + status for status in (b"\x01", b"\x02"))


async def test_what_was_taken_is_finished_and_nothing_new_is_taken(levers: OpenLevers) -> None:
    async with levers() as found:
        m, stub, server = found.messages, found.stub, found.system.grpc
        assert server is not None
        lever = await stub.Add(m.AddRequest())
        held = [stub.Hold(m.HoldRequest(gate="held")), stub.Pull(m.PullRequest(lever_id=lever.id, gate="held"))]
        await until(lambda: probe.arrived["held"] == 2)
        leaving = asyncio.create_task(server.drain(20.0))
        while (await _code(stub.Open(m.OpenRequest()))) is grpc.StatusCode.OK:
            continue
        while (await _code(stub.Open(m.OpenRequest()))) is grpc.StatusCode.CANCELLED:
            continue
        assert await _code(stub.Open(m.OpenRequest())) is grpc.StatusCode.UNAVAILABLE
        assert not leaving.done()
        probe.open_gate("held")
        _, pulled = await asyncio.gather(*held)
        assert pulled.version == 2
        assert await leaving == 0


async def test_what_does_not_end_in_time_is_cut(levers: OpenLevers) -> None:
    async with levers() as found:
        m, stub, server = found.messages, found.stub, found.system.grpc
        assert server is not None
        lever = await stub.Add(m.AddRequest())
        held = stub.Pull(m.PullRequest(lever_id=lever.id, gate="held"))
        await until(lambda: probe.arrived["held"] == 1)
        assert await server.drain(0.1) == 1
        assert (await bare(held)).code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
        assert not found.system.apps.doors.guard.running


async def test_streams_end_without_error(site: Open) -> None:
    async with site() as found:
        made = await found.counters.Create(found.messages.CreateRequest(name="a"))
        stream = found.counters.Events(found.messages.EventsRequest(counter_id=made.id))
        assert (await stream.read()).cursor
        assert found.system.grpc is not None
        _, left = await asyncio.gather(stream.read(), found.system.grpc.drain(20.0))
        assert left == 0 and await stream.code() is grpc.StatusCode.OK


async def test_a_client_that_says_nothing_does_not_hold_the_end_up(site: Open) -> None:
    async with site() as found:
        server = found.system.grpc
        assert server is not None
        host, _, port = server.address.rpartition(":")
        connection = socket.create_connection((host, int(port)))
        connection.sendall(_PREFACE)
        frames = asyncio.create_task(asyncio.to_thread(_frames, connection))
        await found.counters.Totals(found.messages.TotalsRequest())
        assert await server.drain(600.0) == 0
        assert _GOAWAY in await frames


async def test_a_watcher_who_takes_slowly_is_told_before_the_end(site: Open) -> None:
    async with site() as found:
        server = found.system.grpc
        assert server is not None
        watcher = await _Watcher.begun(server.address, room=len(_SERVING))
        assert await watcher.frame(_DATA) == _SERVING
        leaving = asyncio.create_task(server.drain(20.0))
        await watcher.frame(_GOAWAY)
        # He takes nothing for now: longer than a server that has nothing to do any more waits for goodbyes.
        ended, _ = await asyncio.wait((leaving,), timeout=1.0)
        assert not ended
        watcher.takes(len(_NOT_SERVING))
        assert await watcher.frame(_DATA) == _NOT_SERVING
        await watcher.frame(_HEADERS)
        assert await leaving == 0
        watcher.close()


async def test_a_watcher_who_is_being_told_something_else_is_told_of_the_end_too(site: Open) -> None:
    async with site() as found:
        server = found.system.grpc
        assert server is not None
        watcher = await _Watcher.begun(server.address, room=0)
        await watcher.frame(_HEADERS)
        leaving = asyncio.create_task(server.drain(20.0))
        await watcher.frame(_GOAWAY)
        watcher.takes(len(_SERVING) + len(_NOT_SERVING))
        assert await watcher.frame(_DATA) == _SERVING
        assert await watcher.frame(_DATA) == _NOT_SERVING
        await watcher.frame(_HEADERS)
        assert await leaving == 0
        watcher.close()


@pytest.mark.slow
async def test_a_watcher_who_takes_nothing_does_not_hold_the_end_up(site: Open) -> None:
    async with site() as found:
        server = found.system.grpc
        assert server is not None
        watcher = await _Watcher.begun(server.address, room=len(_SERVING))
        assert await watcher.frame(_DATA) == _SERVING
        async with asyncio.timeout(60.0):
            await server.drain(600.0)
        watcher.close()


@pytest.mark.slow
async def test_a_process_that_is_asked_to_leave_under_load_loses_no_call(counter_client: Stock, tmp_path: Path) -> None:
    port = _free_port()
    environ = {"ARMATURE_GRPC__PORT": str(port), "ARMATURE_CURSOR_KEY": "0123456789abcdef0123456789abcdef"}
    with RunningServer(ROOT, data=tmp_path / "data", environ=environ, words=("--topology", "dual")) as server:
        assert f"gRPC       127.0.0.1:{port}" in server.log
        async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub, m = counter_client.stubs.CountersStub(channel), counter_client.messages
            counter = (await stub.Create(m.CreateRequest(name="load"))).id
            connection = socket.create_connection(("127.0.0.1", port))
            connection.sendall(_PREFACE)
            told: list[grpc.StatusCode] = []
            callers = [asyncio.create_task(_increment(stub, m, counter, told)) for _ in range(16)]
            await until(lambda: len(told) > 200)
            leaving = asyncio.create_task(asyncio.to_thread(server.sigterm))
            await asyncio.gather(*callers)
            assert await leaving == 0
            assert _GOAWAY in await asyncio.to_thread(_frames, connection)
        assert "cut after" not in server.log
        # A call that arrives while the goodbye is on its way is cancelled by grpc before anybody here has seen it.
        assert set(told) <= {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
        server.start()
        value = server.get(f"/v1/counters/{counter}").json()["value"]
        assert value == told.count(grpc.StatusCode.OK), "a call was carried out and nobody was told, or the other way round"


async def _increment(stub: Any, m: Any, counter: str, told: list[grpc.StatusCode]) -> None:
    while not told or told[-1] is grpc.StatusCode.OK:
        told.append(await _code(stub.Increment(m.IncrementRequest(counter_id=counter))))


async def _code(call: Any) -> grpc.StatusCode:
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


def _free_port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return int(door.getsockname()[1])


def _frames(connection: socket.socket) -> set[int]:
    """The types of all HTTP/2 frames until the connection ends (RFC 9113, 4.1)."""
    found, held = set[int](), b""
    with connection:
        while piece := connection.recv(65_536):
            held += piece
            while len(held) >= 9 and len(held) >= 9 + (length := struct.unpack(">I", b"\0" + held[:3])[0]):
                found.add(held[3])
                held = held[9 + length :]
    return found


class _Watcher:
    """A client of the health service's Watch, frame by frame: it says how many bytes it takes (RFC 9113, 5.2)."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def begun(cls, address: str, room: int) -> "_Watcher":
        """Ask for the whole process; `room` is for so many bytes of answer."""
        host, _, port = address.rpartition(":")
        watcher = cls(*await asyncio.open_connection(host, int(port)))
        watcher._writer.write(_PREFACE[:24])
        watcher._send(_SETTINGS, struct.pack(">HI", 4, room), stream=0)
        asked = {
            ":method": "POST",
            ":scheme": "http",
            ":path": "/grpc.health.v1.Health/Watch",
            ":authority": address,
            "te": "trailers",
            "content-type": "application/grpc",
        }
        # Each a literal field without an index (RFC 7541, 6.2.2).
        block = b"".join(b"\0" + _counted(name) + _counted(value) for name, value in asked.items())
        watcher._send(_HEADERS, block, flags=_END_HEADERS)
        watcher._send(_DATA, bytes(5), flags=_END_STREAM)
        return watcher

    async def frame(self, kind: int) -> bytes:
        """Return what the next frame of a kind carries; the rest of HTTP/2 is answered on the way."""
        while True:
            head = await self._reader.readexactly(9)
            content = await self._reader.readexactly(int.from_bytes(head[:3], "big"))
            found, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big")
            if found in (_SETTINGS, _PING) and not flags & _ACK:
                self._send(found, content if found == _PING else b"", flags=_ACK, stream=0)
            if found == kind:
                return content
            assert found != _RESET or stream != 1, "the stream was cut"

    def takes(self, more: int) -> None:
        """Make room."""
        self._send(_WINDOW, struct.pack(">I", more))

    def close(self) -> None:
        self._writer.close()

    def _send(self, kind: int, content: bytes, *, flags: int = 0, stream: int = 1) -> None:
        self._writer.write(struct.pack(">I", len(content))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + content)


def _counted(text: str) -> bytes:
    return bytes([len(text)]) + text.encode()
