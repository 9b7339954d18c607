"""What an application may do wrong, and what a client may do to it: the exchange always has an end."""

import asyncio

import pytest
import uvloop
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.edges.raw_corpus import CHUNKED, PLAIN, request
from tests.edges.wire import Answer, Echo, Wire, serving, until


def start(status: int = 200, *headers: tuple[bytes, bytes]) -> Message:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def body(data: bytes = b"", more: bool = False) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": more}


def saying(*messages: Message) -> ASGIApp:
    """An application that sends these messages, whatever it is asked."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return app


async def raising(scope: Scope, receive: Receive, send: Send) -> None:
    raise LookupError("the application is broken")


async def cancelling(scope: Scope, receive: Receive, send: Send) -> None:
    raise asyncio.CancelledError


async def _first(app: ASGIApp, data: bytes = PLAIN) -> Answer | None:
    async with serving(app) as server:
        wire = await Wire.open(server.port)
        wire.send(data)
        return await wire.answer()


async def _everything(app: ASGIApp, data: bytes) -> bytes:
    """All bytes until the server closes."""
    async with serving(app) as server:
        wire = await Wire.open(server.port)
        wire.send(data)
        return await wire.reader.read()


@pytest.mark.parametrize(
    "app",
    [
        raising,
        cancelling,
        saying(),
        saying(start()),
        saying(body(b"x")),
        saying(start(200, (b"x-a", b"b\r\nset-cookie: c=d")), body()),
        saying(start(200, (b"x-a\n", b"b")), body()),
        saying(start(200, (b"content-length", b"5")), body(b"toolong")),
        saying(start(200, (b"content-length", b"5")), body(b"abc")),
        saying(start(999), body()),
    ],
    ids=["raises", "cancels", "silent", "half", "bodiless start", "injection", "lf", "too long", "too short", "status"],
)
def test_a_broken_application_is_a_500_with_a_problem(app: ASGIApp) -> None:
    answer = uvloop.run(_first(app))
    assert answer is not None
    assert (answer.status, answer.headers["connection"]) == (500, "close")
    assert answer.problem()["code"] == "http:internal"
    assert "broken" not in answer.body.decode()


def test_an_answer_that_breaks_off_is_cut_and_not_completed() -> None:
    async def story() -> None:
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await _first(saying(start(200, (b"content-length", b"5")), body(b"ab", more=True)))

    uvloop.run(story())


@pytest.mark.parametrize(
    ("data", "app", "ending"),
    [
        (PLAIN, saying(start(), body(b"ab", more=True), body(b"c")), b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"),
        (b"GET / HTTP/1.0\r\n\r\n", saying(start(), body(b"ab", more=True), body(b"c")), b"close\r\n\r\nabc"),
        (PLAIN.replace(b"GET", b"HEAD"), saying(start(200, (b"content-length", b"3")), body(b"abc")), b"3\r\n\r\n"),
        (PLAIN, saying(start(204), body()), b"\r\n\r\n"),
        (PLAIN, saying(start(304, (b"content-length", b"3")), body()), b"3\r\n\r\n"),
    ],
    ids=["chunked", "1.0", "HEAD", "204", "304"],
)
def test_an_answer_is_framed_for_its_client(data: bytes, app: ASGIApp, ending: bytes) -> None:
    async def story() -> bytes:
        async with serving(app, keep_alive_seconds=0.1) as server:
            wire = await Wire.open(server.port)
            wire.send(data)
            return await wire.reader.read()

    assert uvloop.run(story()).endswith(ending)


def test_no_answer_names_the_server_and_each_is_dated() -> None:
    answer = uvloop.run(_first(Echo()))
    assert answer is not None
    assert "server" not in answer.headers
    assert answer.headers["date"].endswith(" GMT")


def test_trailer_fields_do_not_join_the_headers() -> None:
    seen: list[tuple[bytes, bytes]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await Echo()(scope, receive, send)
        seen.extend(scope["headers"])

    uvloop.run(_first(app, request(CHUNKED, body=b"1\r\na\r\n0\r\nX-Actor: admin\r\n\r\n")))
    assert [name for name, _ in seen] == [b"host", b"transfer-encoding"]


def test_a_client_that_leaves_is_noticed_while_the_application_works() -> None:
    told = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        told.append((await receive())["type"])

    async def story() -> None:
        async with serving(app) as server:
            wire = await Wire.open(server.port)
            wire.send(PLAIN)
            await until(lambda: server.running == 1)
            await wire.close()
            await until(lambda: bool(told))

    uvloop.run(story())
    assert told == ["http.disconnect"]


def test_an_answer_before_the_body_is_read_reaches_a_client_that_still_sends() -> None:
    async def story() -> None:
        app = saying(start(401, (b"content-length", b"0"), (b"connection", b"close")), body())
        async with serving(app) as server:
            wire = await Wire.open(server.port)
            wire.send(request(b"Content-Length: 1000000", body=b"a" * 500_000))
            answer = await wire.answer()
            assert answer is not None and answer.status == 401
            wire.send(b"a" * 500_000)
            assert await wire.ended()

    uvloop.run(story())


def test_a_refused_expectation_ends_the_connection_because_the_body_may_or_may_not_come() -> None:
    app = saying(start(401, (b"content-length", b"0")), body())
    answer = uvloop.run(_first(app, request(b"Content-Length: 5", b"Expect: 100-continue")))
    assert answer is not None
    assert (answer.status, answer.headers["connection"]) == (401, "close")


def test_an_application_that_does_not_read_stops_the_clients_flood() -> None:
    async def story() -> None:
        done = asyncio.Event()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await done.wait()
            await Echo()(scope, receive, send)

        size = 30_000_000
        async with serving(app, body_bytes_max=size) as server:
            wire = await Wire.open(server.port)
            wire.send(request(b"Content-Length: %d" % size, body=b"a" * size))
            await until(lambda: server.running == 1)
            # Far beyond the body's deadline: it is the application that is slow, and the client must not pay for it.
            server.sweep(asyncio.get_running_loop().time() + 60)
            assert wire.writer.transport.get_write_buffer_size() > size / 2
            done.set()
            answer = await wire.answer()
            assert answer is not None and answer.status == 200

    uvloop.run(story())


def test_a_client_that_takes_nothing_of_its_answer_is_cut() -> None:
    async def story() -> None:
        app = saying(start(200, (b"content-length", b"50000000")), body(b"a" * 50_000_000))
        async with serving(app, body_seconds=0.2) as server:
            wire = await Wire.open(server.port)
            wire.writer.transport.pause_reading()
            wire.send(PLAIN)
            await until(lambda: server.connections == 1)
            await until(lambda: server.connections == 0)

    uvloop.run(story())


def test_all_bytes_of_a_large_last_answer_reach_a_client() -> None:
    app = saying(start(200, (b"content-length", b"5000000")), body(b"a" * 5_000_000))
    assert len(uvloop.run(_everything(app, request(b"Connection: close")))) > 5_000_000
