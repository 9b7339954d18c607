"""The server's own life: it starts where it is told, leaves without losing a request, and survives its application."""

import asyncio
import select
import socket
from contextvars import ContextVar

import pytest
import uvloop
from starlette.types import Receive, Scope, Send

from armature.edges.http.server import CannotListen, HttpServer, run_on_uvloop
from armature.engine.policies import HttpPolicy
from tests.edges.raw_corpus import PLAIN, request
from tests.edges.wire import Echo, Wire, serving, until

WANTED = 500
CALLER = ContextVar("CALLER", default="nobody")


class Gate:
    """An application that answers when it is let."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.entered = 0
        self.cancelled = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.entered += 1
        try:
            await self.open.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        await Echo()(scope, receive, send)


class Client:
    """Sends one request after the other until it is told that the connection ends."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.sent = 0
        self.answered = 0

    async def run(self) -> None:
        while True:
            self.sent += 1
            self.wire.send(request(b"Content-Length: 5", body=b"abcde"))
            answer = await self.wire.answer()
            if answer is None:
                return
            assert answer.status == 200
            self.answered += 1
            if answer.headers.get("connection") == "close":
                return


class Slow(Echo):
    """Lets the loop turn between the request and the answer, so that requests are always under way."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0.002)
        await super().__call__(scope, receive, send)


def test_a_drain_under_load_loses_no_request() -> None:
    async def story() -> None:
        async with serving(Slow()) as server:
            clients = [Client(await Wire.open(server.port)) for _ in range(32)]
            load = asyncio.gather(*(client.run() for client in clients))
            await until(lambda: sum(client.answered for client in clients) > WANTED)
            assert await server.drain() == 0
            await load
            assert [client.sent - client.answered for client in clients] == [0] * 32

    uvloop.run(story())


@pytest.mark.parametrize("split", [1, 20, len(PLAIN) - 1])
def test_a_head_that_is_half_read_when_the_drain_begins_is_answered(split: int) -> None:
    async def story() -> None:
        async with serving(Echo()) as server:
            wire = await Wire.open(server.port)
            wire.send(PLAIN)
            await wire.answer()
            wire.send(PLAIN[:split])
            draining = asyncio.create_task(server.drain())
            await until(lambda: server.draining)
            wire.send(PLAIN[split:])
            answer = await wire.answer()
            assert answer is not None
            assert (answer.status, answer.headers["connection"]) == (200, "close")
            assert await draining == 0

    uvloop.run(story())


def test_a_body_that_is_half_read_when_the_drain_begins_is_answered() -> None:
    async def story() -> None:
        echo = Echo()
        async with serving(echo) as server:
            wire = await Wire.open(server.port)
            wire.send(request(b"Content-Length: 5", body=b"ab"))
            await until(lambda: server.running == 1)
            draining = asyncio.create_task(server.drain())
            await until(lambda: server.draining)
            wire.send(b"cde")
            answer = await wire.answer()
            assert answer is not None
            assert (answer.status, answer.headers["connection"]) == (200, "close")
            assert (await draining, echo.bodies) == (0, [b"abcde"])

    uvloop.run(story())


def test_a_pipeline_that_waits_when_the_drain_begins_is_answered_to_its_end() -> None:
    async def story() -> None:
        gate = Gate()
        async with serving(gate) as server:
            wire = await Wire.open(server.port)
            wire.send(PLAIN * 3)
            await until(lambda: gate.entered == 1)
            draining = asyncio.create_task(server.drain())
            await until(lambda: server.draining)
            gate.open.set()
            answers = [await wire.answer() for _ in range(3)]
            assert [answer and answer.headers.get("connection") for answer in answers] == [None, None, "close"]
            assert await wire.ended()
            assert await draining == 0

    uvloop.run(story())


def test_a_connection_that_was_idle_for_long_and_speaks_during_the_drain_is_answered_first() -> None:
    async def story() -> None:
        async with serving(Echo(), head_seconds=0.4) as server:
            idle, late = await Wire.open(server.port), await Wire.open(server.port)
            idle.send(PLAIN)
            await idle.answer()
            # When this one's deadline has passed, the other has been idle for longer than a drain waits for the silent.
            late.send(b"G")
            await late.answer()
            draining = asyncio.create_task(server.drain())
            await until(lambda: server.draining)
            idle.send(PLAIN)
            answer = await idle.answer()
            assert answer is not None
            assert (answer.status, answer.headers["connection"]) == (200, "close")
            assert await draining == 0

    uvloop.run(story())


def test_a_request_on_a_connection_that_waits_to_be_accepted_survives_the_drain() -> None:
    async def story() -> None:
        async with serving(Echo()) as server:
            # Blocking, so that the loop cannot accept: the handshake is the kernel's, the request lies in its buffer.
            with socket.create_connection(("127.0.0.1", server.port)) as waiting:
                waiting.sendall(PLAIN)
                assert server.connections == 0
                assert await server.drain() == 0
                assert waiting.recv(1_000).startswith(b"HTTP/1.1 200 OK")

    uvloop.run(story())


def test_a_drain_closes_idle_connections_and_the_door() -> None:
    async def story() -> None:
        async with serving(Echo()) as server:
            wire = await Wire.open(server.port)
            wire.send(PLAIN)
            await wire.answer()
            assert await server.drain() == 0
            assert await wire.ended()
            with pytest.raises(ConnectionRefusedError):
                await Wire.open(server.port)
            assert await server.drain() == 0

    uvloop.run(story())


def test_a_request_that_outlasts_the_drain_is_cut_and_counted() -> None:
    async def story() -> None:
        gate = Gate()
        async with serving(gate, drain_seconds=0.1) as server:
            wire = await Wire.open(server.port)
            wire.send(PLAIN)
            await until(lambda: gate.entered == 1)
            assert await server.drain() == 1
            assert gate.cancelled == 1
            assert await wire.ended()

    uvloop.run(story())


def test_a_taken_port_is_refused_with_its_number_and_a_cure() -> None:
    async def story() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(CannotListen, match=f"127.0.0.1:{port}: the port is in use; .*--port"):
                await HttpServer(Echo(), HttpPolicy(port=port)).start()

    uvloop.run(story())


@pytest.mark.parametrize(("host", "cure"), [("192.0.2.1", "no such address"), ("no.such.host.invalid", "unknown")])
def test_an_address_that_is_not_ours_is_refused_with_a_cure(host: str, cure: str) -> None:
    async def story() -> None:
        with pytest.raises(CannotListen, match=cure):
            await HttpServer(Echo(), HttpPolicy(host=host, port=0)).start()

    uvloop.run(story())


def test_the_bound_port_is_told_and_free_again_after_a_stop() -> None:
    async def story() -> None:
        async with serving(Echo()) as first:
            assert first.address == f"http://127.0.0.1:{first.port}"
            await first.stop()
            async with serving(Echo(), port=first.port) as second:
                wire = await Wire.open(second.port)
                wire.send(PLAIN)
                assert await wire.answer() is not None

    uvloop.run(story())


def test_a_server_starts_once() -> None:
    async def story() -> None:
        async with serving(Echo()) as server:
            with pytest.raises(RuntimeError, match="starts once"):
                await server.start()

    uvloop.run(story())


def test_a_request_that_the_kernel_has_keeps_an_idle_connection_open() -> None:
    async def story() -> None:
        async with serving(Echo()) as server:
            with socket.create_connection(("127.0.0.1", server.port)) as client:
                await until(lambda: server.connections == 1)
                client.sendall(PLAIN)
                # The deadline is over, and the loop has had no turn to read since the request was sent.
                server.sweep(asyncio.get_running_loop().time() + 3_600)
                await until(lambda: server.connections == 1 and bool(select.select([client], [], [], 0)[0]))
                assert client.recv(1_000).startswith(b"HTTP/1.1 200 OK")
                server.sweep(asyncio.get_running_loop().time() + 3_600)
                await until(lambda: server.connections == 0)

    uvloop.run(story())


def test_the_process_entry_runs_on_uvloop() -> None:
    async def loop_module() -> str:
        return type(asyncio.get_running_loop()).__module__

    assert run_on_uvloop(loop_module()) == "uvloop"


@pytest.mark.parametrize("cap", ["connections_max", "connections_per_address_max"])
def test_a_place_is_free_again_when_a_connection_leaves(cap: str) -> None:
    async def story() -> None:
        async with serving(Echo(), **{cap: 1}) as server:
            for _ in range(3):
                wire = await Wire.open(server.port)
                wire.send(PLAIN)
                answer = await wire.answer()
                assert answer is not None and answer.status == 200
                await wire.close()
                await until(lambda: server.connections == 0)

    uvloop.run(story())


def test_refusals_are_counted_by_code() -> None:
    async def story() -> None:
        async with serving(Echo()) as server:
            for _ in range(2):
                wire = await Wire.open(server.port)
                wire.send(b"GET / HTTP/1.1\r\n\r\n")
                await wire.answer()
            assert server.refusals == {"http:host": 2}

    uvloop.run(story())


def test_a_pipeline_is_not_read_faster_than_it_is_answered() -> None:
    async def story() -> None:
        gate = Gate()
        async with serving(gate) as server:
            wire = await Wire.open(server.port)
            wire.send(PLAIN * 1_000_000)
            await until(lambda: gate.entered == 1)
            unsent = wire.writer.transport.get_write_buffer_size
            for _ in range(100):
                await asyncio.sleep(0)
            assert gate.entered == 1
            assert unsent() > len(PLAIN) * 500_000

    uvloop.run(story())


def test_a_refusal_can_be_read_by_a_client_that_went_on_sending() -> None:
    async def story() -> None:
        async with serving(Echo()) as server:
            with socket.create_connection(("127.0.0.1", server.port)) as client:
                client.sendall(request(b"Content-Length: 9000000", body=b"a" * 1_000))
                await until(lambda: server.refusals.get("http:body_too_large") == 1)
                # A connection that was simply closed answers this with a reset, which discards what was not yet read.
                for _ in range(3):
                    client.sendall(b"a" * 1_000)
                    await asyncio.sleep(0)
                assert client.recv(1_000).startswith(b"HTTP/1.1 413 ")

    uvloop.run(story())


def test_a_pipelined_request_does_not_inherit_the_context_of_the_one_before() -> None:
    seen = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(CALLER.get())
        CALLER.set("the first")
        await Echo()(scope, receive, send)

    async def story() -> None:
        async with serving(app) as server:
            wire = await Wire.open(server.port)
            wire.send(PLAIN * 2)
            await wire.answer()
            await wire.answer()

    uvloop.run(story())
    assert seen == ["nobody", "nobody"]


def test_a_body_cap_lifted_for_an_operation_is_the_servers_cap() -> None:
    async def story() -> None:
        server = HttpServer(Echo(), HttpPolicy(port=0, body_bytes_max=10), body_bytes_max=20)
        await server.start()
        for size, status in ((20, 200), (21, 413)):
            wire = await Wire.open(server.port)
            wire.send(request(b"Content-Length: %d" % size, body=b"a" * size))
            answer = await wire.answer()
            assert answer is not None and answer.status == status
        await server.stop()

    uvloop.run(story())
