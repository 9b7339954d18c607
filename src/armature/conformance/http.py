"""The laws of port `http` that hold for every implementation, a fake included: subclass `HttpLaws` and override `world`.

What can only be shown on a wire (retries, breakers, addresses, bodies that lie) is in `armature.conformance.http_wire`.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, TypeVar

from msgspec import Struct

from armature.engine.policies import OutboundPolicy
from armature.ports.http import Http, HttpRequest, HttpResponse, OutboundMisuse, OutboundRefused

__all__ = ["TRACE", "Asking", "Behaviour", "HttpLaws", "World", "prove", "refusal", "soon"]

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

T = TypeVar("T")

Behaviour = HttpResponse | Literal["silent", "resets"]


class Asking(Struct, frozen=True):
    """An `OutboundContext` of the laws' own."""

    deadline: float
    trace: str | None = None
    deciding: bool = False


class World(Struct, frozen=True):
    """A client, a URL it may call, and the number of requests that have arrived there with the headers of the last."""

    http: Http
    url: str
    arrived: Callable[[], int]
    last_headers: Callable[[], dict[str, str]]


def soon(seconds: float = 30.0) -> Asking:
    """A context with so much time left; generous, since nothing here should take long."""
    return Asking(time.monotonic() + seconds)


async def refusal(answer: Awaitable[HttpResponse]) -> OutboundRefused:
    """What a call was refused with; an answer breaks the law."""
    try:
        got = await answer
    except OutboundRefused as refused:
        return refused
    raise AssertionError(f"expected a refusal, got {got.status}")


def prove(law: Coroutine[Any, Any, T], seconds: float = 60.0) -> T:
    """Run one law; a client that hangs breaks it."""

    async def bounded() -> T:
        async with asyncio.timeout(seconds):
            return await law

    return asyncio.run(bounded())


class HttpLaws:
    """Override `world`: a far side that behaves as asked, and a client with that policy in front of it."""

    def world(self, behaviour: Behaviour, policy: OutboundPolicy) -> AbstractAsyncContextManager[World]:
        """Open a world for one law. The client may call the world's own URL though it is neither public nor https."""
        raise NotImplementedError

    def test_any_status_is_an_answer_and_comes_whole(self) -> None:
        async def law() -> None:
            sent = HttpResponse(status=404, headers=(("x-reason", "gone"),), body=b"\x00no\xff")
            async with self.world(sent, OutboundPolicy()) as world:
                got = await world.http.send(soon(), HttpRequest(method="GET", url=world.url + "/a?b=1"))
            assert (got.status, got.header("X-Reason"), got.body) == (404, "gone", b"\x00no\xff")

        prove(law())

    def test_a_redirect_is_an_answer_and_is_not_followed(self) -> None:
        async def law() -> None:
            sent = HttpResponse(status=302, headers=(("location", "http://127.0.0.1:1/secret"),))
            async with self.world(sent, OutboundPolicy()) as world:
                got = await world.http.send(soon(), HttpRequest(method="GET", url=world.url))
                assert (got.status, world.arrived()) == (302, 1)

        prove(law())

    def test_the_trace_is_forwarded_and_nothing_compressed_is_asked_for(self) -> None:
        async def law() -> None:
            async with self.world(HttpResponse(status=200), OutboundPolicy()) as world:
                asking = Asking(soon().deadline, trace=TRACE)
                await world.http.send(asking, HttpRequest(method="GET", url=world.url, headers={"X-Key": "k"}))
                heard = world.last_headers()
            assert (heard["traceparent"], heard["accept-encoding"], heard["x-key"]) == (TRACE, "identity", "k")

        prove(law())

    def test_while_a_command_decides_nothing_is_sent(self) -> None:
        prove(self._is_a_bug(HttpRequest(method="GET", url="/"), "command decides", deciding=True))

    def test_headers_of_the_platform_cannot_be_set(self) -> None:
        for name in ("Host", "content-length", "Transfer-Encoding", "Accept-Encoding", "traceparent"):
            prove(self._is_a_bug(HttpRequest(method="GET", url="/", headers={name: "1"}), "set by the platform"))

    def test_a_header_cannot_smuggle_another(self) -> None:
        for value in ("a\r\nX-Evil: 1", "a\nb", "a\x00b", "ü"):
            prove(self._is_a_bug(HttpRequest(method="GET", url="/", headers={"X-A": value}), "printable ASCII"))
        prove(self._is_a_bug(HttpRequest(method="GET", url="/", headers={"X A": "1"}), "not a header name"))

    def test_a_method_is_a_word_in_capitals(self) -> None:
        for method in ("", "get", "GET /admin HTTP/1.1\r\n"):
            prove(self._is_a_bug(HttpRequest(method=method, url="/"), "is not a method"))
        prove(self._is_a_bug(HttpRequest(method="CONNECT", url="/"), "is not a call"))

    def test_a_deadline_that_has_passed_sends_nothing(self) -> None:
        async def law() -> None:
            async with self.world(HttpResponse(status=200), OutboundPolicy()) as world:
                refused = await refusal(world.http.send(soon(-1), HttpRequest(method="GET", url=world.url)))
                assert (refused.reason, world.arrived()) == ("deadline", 0)

        prove(law())

    def test_silence_ends_at_the_deadline(self) -> None:
        async def law() -> None:
            async with self.world("silent", OutboundPolicy()) as world:
                refused = await refusal(world.http.send(soon(0.2), HttpRequest(method="GET", url=world.url)))
            assert (refused.reason, refused.host) == ("deadline", world.url.removeprefix("http://"))

        prove(law())

    def test_a_body_beyond_the_cap_is_refused_and_one_at_the_cap_is_not(self) -> None:
        async def law(size: int) -> HttpResponse:
            policy = OutboundPolicy(body_bytes_max=1_000)
            async with self.world(HttpResponse(status=200, body=b"." * size), policy) as world:
                return await world.http.send(soon(), HttpRequest(method="GET", url=world.url))

        assert len(prove(law(1_000)).body) == 1_000
        assert prove(refusal(law(1_001))).reason == "too_large"

    def test_a_connection_that_breaks_off_is_a_refusal(self) -> None:
        async def law() -> None:
            async with self.world("resets", OutboundPolicy()) as world:
                request = HttpRequest(method="POST", url=world.url, body=b"x" * 10)
                assert (await refusal(world.http.send(soon(), request))).reason == "unreachable"
                assert world.arrived() == 1

        prove(law())

    async def _is_a_bug(self, request: HttpRequest, says: str, *, deciding: bool = False) -> None:
        async with self.world(HttpResponse(status=200), OutboundPolicy()) as world:
            whole = HttpRequest(method=request.method, url=world.url + request.url, headers=request.headers)
            try:
                await world.http.send(Asking(soon().deadline, deciding=deciding), whole)
            except OutboundMisuse as bug:
                assert says in str(bug)
                assert world.arrived() == 0
                return
        raise AssertionError(f"{request} should have been refused as a bug")
