"""The laws of port `http` that need a wire: addresses, lying bodies, retries, budgets and breakers, on real sockets.

Subclass `HttpWireLaws` and override `client`. Time is moved by the test (`Moved`), never waited for; where a law is about
waiting itself, a short deadline is.
"""

import asyncio
import gzip
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

from msgspec import structs

from armature.conformance.far import FarServer, Manner, drips, far_server, floods, is_silent, resets, says
from armature.conformance.http import Asking, Behaviour, HttpLaws, World, prove, refusal, soon
from armature.engine.outbound import Rhythm
from armature.engine.policies import OutboundPolicy
from armature.ports.http import Http, HttpRequest, HttpResponse

__all__ = ["BUSY", "OK", "UNTRIED", "HttpWireLaws", "Moved", "Resolver", "get", "post", "resolving_to", "until"]

Resolver = Callable[[str, int], Coroutine[Any, Any, Sequence[str]]]

OK = HttpResponse(status=200, body=b"fine")
BUSY = HttpResponse(status=503)
UNTRIED = OutboundPolicy(allow_hosts=["127.0.0.1"], breaker_volume_min=1_000_000)


class Moved:
    """A clock that stands until it is moved or slept on, and dice that always fall the same way."""

    def __init__(self, dice: float = 0.0) -> None:
        self.now = time.monotonic()
        self.dice = dice
        self.pauses: list[float] = []

    def rhythm(self) -> Rhythm:
        return Rhythm(clock=lambda: self.now, sleep=self._sleep, chance=lambda: self.dice)

    def asking(self, seconds: float = 30.0) -> Asking:
        return Asking(self.now + seconds)

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


async def resolve_to_itself(host: str, port: int) -> Sequence[str]:
    """For hosts that are addresses."""
    return [host]


class HttpWireLaws(HttpLaws):
    """Override `client`; everything else is done here."""

    def client(self, policy: OutboundPolicy, rhythm: Rhythm, resolve: Resolver) -> Http:
        """Build the client under test with this policy, time and name look-up."""
        raise NotImplementedError

    @asynccontextmanager
    async def world(self, behaviour: Behaviour, policy: OutboundPolicy) -> AsyncIterator[World]:
        manners: dict[str, Manner] = {"silent": is_silent, "resets": resets}
        async with far_server() as far:
            far.program.append(manners[behaviour] if isinstance(behaviour, str) else behaviour)
            http = self.client(structs.replace(policy, allow_hosts=["127.0.0.1"]), Rhythm(), resolve_to_itself)
            try:
                yield World(http, far.url, lambda: len(far.heard), lambda: far.heard[-1].headers)
            finally:
                await http.close()

    @asynccontextmanager
    async def open(
        self, *program: HttpResponse | Manner, policy: OutboundPolicy = UNTRIED, moved: Moved | None = None
    ) -> AsyncIterator[tuple[Http, FarServer]]:
        """A client and a far server with that program."""
        async with far_server() as far:
            far.program.extend(program)
            http = self.client(policy, (moved or Moved()).rhythm(), resolve_to_itself)
            try:
                yield http, far
            finally:
                await http.close()

    def test_a_body_that_drips_ends_at_the_deadline(self) -> None:
        async def law() -> None:
            async with self.open(drips) as (http, far):
                assert (await refusal(http.send(soon(0.3), get(far)))).reason == "deadline"
                await asyncio.wait_for(far.left.wait(), 10)

        prove(law())

    def test_a_body_that_announces_too_much_is_not_read(self) -> None:
        async def law() -> None:
            head = b"HTTP/1.1 200 OK\r\ncontent-length: 314572800\r\n\r\n"
            async with self.open(says(head + b"." * 100)) as (http, far):
                refused = await refusal(http.send(soon(), get(far)))
                assert (refused.reason, "314572800" in refused.detail) == ("too_large", True)

        prove(law())

    def test_an_answer_to_head_may_announce_any_body(self) -> None:
        async def law() -> None:
            async with self.open(says(b"HTTP/1.1 200 OK\r\ncontent-length: 314572800\r\n\r\n")) as (http, far):
                got = await http.send(soon(), HttpRequest(method="HEAD", url=far.url))
                assert (got.header("content-length"), got.body) == ("314572800", b"")

        prove(law())

    def test_a_body_without_an_end_is_cut_off_at_the_cap(self) -> None:
        async def law() -> None:
            async with self.open(floods) as (http, far):
                assert (await refusal(http.send(soon(), get(far)))).reason == "too_large"
                await asyncio.wait_for(far.left.wait(), 10)

        prove(law())

    def test_a_bomb_is_not_inflated(self) -> None:
        async def law() -> None:
            bomb = gzip.compress(b"\x00" * 50_000_000)
            async with self.open(HttpResponse(status=200, headers=(("content-encoding", "gzip"),), body=bomb)) as (http, far):
                got = await http.send(soon(), get(far))
                assert got.body == bomb

        prove(law())

    def test_what_is_not_http_is_refused(self) -> None:
        async def law() -> None:
            endless = b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 50_000 + b"\r\n"
            for noise in (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", endless, b"HTTP/1.1 101 Switching Protocols\r\n\r\n"):
                async with self.open(says(noise)) as (http, far):
                    assert (await refusal(http.send(soon(), get(far)))).reason == "protocol"

        prove(law())

    def test_a_body_that_ends_early_is_no_answer(self) -> None:
        async def law() -> None:
            async with self.open(says(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")) as (http, far):
                assert (await refusal(http.send(soon(), post(far)))).reason == "unreachable"

        prove(law())

    def test_a_port_where_nobody_listens_is_unreachable(self) -> None:
        async def law() -> None:
            async with self.open(OK) as (http, _), far_server() as gone:
                port = gone.port
            http = self.client(UNTRIED, Moved().rhythm(), resolve_to_itself)
            refused = await refusal(http.send(soon(), HttpRequest(method="GET", url=f"http://127.0.0.1:{port}/")))
            assert (refused.reason, refused.host) == ("unreachable", f"127.0.0.1:{port}")

        prove(law())

    def test_connections_are_used_again(self) -> None:
        async def law() -> None:
            async with self.open(OK) as (http, far):
                for _ in range(5):
                    assert (await http.send(soon(), post(far, b"body"))).body == b"fine"
                assert (far.connections, [heard.body for heard in far.heard]) == (1, [b"body"] * 5)

        prove(law())

    def test_callers_who_leave_take_no_connection_along(self) -> None:
        async def law() -> None:
            async with self.open(is_silent) as (http, far):
                for _ in range(5):
                    heard = len(far.heard)
                    leaving = [asyncio.create_task(http.send(soon(), get(far))) for _ in range(40)]
                    await until(lambda: len(far.heard) >= heard + 20)  # noqa: B023
                    for task in leaving:
                        task.cancel()
                    await asyncio.gather(*leaving, return_exceptions=True)
                far.program.clear()
                far.program.append(OK)
                assert (await http.send(soon(), get(far))).status == 200

        prove(law())

    def test_nothing_but_https_to_public_addresses_unless_listed(self) -> None:
        async def law() -> None:
            policy = OutboundPolicy(allow_hosts=["listed.example"])
            async with far_server() as far:
                far.program.append(OK)
                http = self.client(policy, Moved().rhythm(), resolving_to("127.0.0.1"))
                for url in (far.url, "https://127.0.0.1/", "https://localhost/", "https://rebound.example/", "http://a.example/"):
                    assert (await refusal(http.send(soon(), HttpRequest(method="GET", url=url)))).reason == "address"
                assert far.connections == 0
                got = await http.send(soon(), HttpRequest(method="GET", url=f"http://LISTED.example.:{far.port}/x"))
                assert (got.status, far.heard[0].headers["host"]) == (200, f"listed.example:{far.port}")
                await http.close()

        prove(law())

    def test_one_private_address_among_public_ones_refuses_the_host(self) -> None:
        async def law() -> None:
            http = self.client(OutboundPolicy(), Moved().rhythm(), resolving_to("93.184.216.34", "10.0.0.1"))
            refused = await refusal(http.send(soon(), HttpRequest(method="GET", url="https://mixed.example/")))
            assert (refused.reason, "10.0.0.1" in refused.detail) == ("address", True)

        prove(law())

    def test_a_name_is_resolved_once_per_connection_and_checked_each_time(self) -> None:
        async def law() -> None:
            turns = iter([["127.0.0.1"], ["169.254.169.254"]])

            async def rebinding(host: str, port: int) -> Sequence[str]:
                return next(turns)

            async with far_server() as far:
                far.program.append(says(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"))
                http = self.client(OutboundPolicy(allow_hosts=["listed.example"]), Moved().rhythm(), rebinding)
                request = HttpRequest(method="GET", url=f"http://listed.example:{far.port}/")
                assert (await http.send(soon(), request)).status == 200
                assert (await refusal(http.send(soon(), request))).reason == "address"
                await http.close()

        prove(law())

    def test_the_look_up_counts_against_the_deadline(self) -> None:
        async def law() -> None:
            async def hanging(host: str, port: int) -> Sequence[str]:
                await asyncio.Event().wait()
                return []

            http = self.client(OutboundPolicy(), Moved().rhythm(), hanging)
            refused = await refusal(http.send(soon(0.1), HttpRequest(method="GET", url="https://slow.example/")))
            assert refused.reason == "deadline"

        prove(law())

    def test_a_name_that_does_not_resolve_is_unreachable(self) -> None:
        async def law() -> None:
            async def failing(host: str, port: int) -> Sequence[str]:
                raise OSError("name or service not known")

            http = self.client(OutboundPolicy(attempts_max=1), Moved().rhythm(), failing)
            refused = await refusal(http.send(soon(), HttpRequest(method="GET", url="https://nowhere.example/")))
            assert refused.reason == "unreachable"

        prove(law())


def get(far: FarServer) -> HttpRequest:
    """An idempotent request to that server."""
    return HttpRequest(method="GET", url=far.url + "/")


def post(far: FarServer, body: bytes = b"") -> HttpRequest:
    """A request that must not be repeated."""
    return HttpRequest(method="POST", url=far.url + "/", body=body)


def resolving_to(*addresses: str) -> Resolver:
    """A look-up with the same answer for every name."""

    async def resolve(host: str, port: int) -> Sequence[str]:
        return addresses

    return resolve


async def until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for a condition, with a generous limit."""
    limit = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < limit, "the condition did not come true"
        await asyncio.sleep(0.005)
