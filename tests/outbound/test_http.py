"""The real client keeps all laws of its port."""

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvloop

from armature.adapters.httpx2.http import Httpx2Http
from armature.conformance.far import far_server, is_silent
from armature.conformance.http import refusal, soon
from armature.conformance.http_trouble import HttpTroubleLaws
from armature.conformance.http_wire import Resolver, resolving_to, until
from armature.engine.outbound import Rhythm
from armature.engine.policies import OutboundPolicy
from armature.ports.http import Http, HttpRequest, HttpResponse, OutboundRefused


class TestHttpx2Http(HttpTroubleLaws):
    def client(self, policy: OutboundPolicy, rhythm: Rhythm, resolve: Resolver) -> Http:
        return Httpx2Http(policy, rhythm=rhythm, resolve=resolve)


class TestHttpx2HttpOnUvloop(TestHttpx2Http):
    """The loop that production runs on closes, cancels and reports errors in ways of its own."""

    @pytest.fixture(autouse=True)
    def uvloop_policy(self) -> Iterator[None]:
        before = asyncio.get_event_loop_policy()
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
        yield
        asyncio.set_event_loop_policy(before)


CERTIFICATE = Path(__file__).with_name("listed.example.pem")  # its key guards nothing but these tests


async def over_tls(host: str, heard: list[str | None]) -> HttpResponse:
    """Call `host` by https at a server that has a certificate for listed.example; `heard` gets the name TLS asked for."""
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(CERTIFICATE)
    server_side.sni_callback = lambda _socket, name, _context: heard.append(name)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append((await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1])
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=server_side)
    port = server.sockets[0].getsockname()[1]
    policy = OutboundPolicy(allow_hosts=["listed.example", "other.example"], attempts_max=1)
    trusting = ssl.create_default_context(cafile=str(CERTIFICATE))
    http = Httpx2Http(policy, resolve=resolving_to("127.0.0.1"), tls=trusting)
    try:
        return await http.send(soon(), HttpRequest(method="GET", url=f"https://{host}:{port}/"))
    finally:
        await http.close()
        server.close()


def test_tls_and_host_name_the_host_while_the_connection_goes_to_the_address() -> None:
    heard: list[str | None] = []
    assert asyncio.run(over_tls("Listed.example.", heard)).body == b"ok"
    assert heard[0] == "listed.example"
    assert str(heard[1]).startswith("Host: listed.example:")


def test_a_certificate_of_another_name_is_no_answer() -> None:
    with pytest.raises(OutboundRefused, match="CERTIFICATE_VERIFY_FAILED") as refused:
        asyncio.run(over_tls("other.example", []))
    assert refused.value.reason == "unreachable"


def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> tuple[int, int]:
        async with far_server() as far, far_server() as proxy:
            far.program.append(HttpResponse(status=200))
            proxy.program.append(HttpResponse(status=418))
            for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"):
                monkeypatch.setenv(name, proxy.url)
            monkeypatch.delenv("NO_PROXY", raising=False)
            monkeypatch.delenv("no_proxy", raising=False)
            http = Httpx2Http(OutboundPolicy(allow_hosts=["127.0.0.1"]))
            got = await http.send(soon(), HttpRequest(method="GET", url=far.url))
            await http.close()
            return got.status, proxy.connections

    assert asyncio.run(story()) == (200, 0)


def test_localhost_is_found_by_the_systems_own_look_up_and_refused() -> None:
    async def story() -> OutboundRefused:
        http = Httpx2Http(OutboundPolicy())
        return await refusal(http.send(soon(), HttpRequest(method="GET", url="https://localhost/")))

    assert asyncio.run(story()).reason == "address"


def test_a_host_is_listed_by_name_and_a_url_in_the_list_is_refused_by_its_key() -> None:
    with pytest.raises(ValueError, match=r"outbound\.allow_hosts: .*without scheme and port"):
        Httpx2Http(OutboundPolicy(allow_hosts=["http://billing.internal/"]))


def test_breakers_of_hosts_that_users_name_do_not_pile_up() -> None:
    async def story() -> int:
        async def failing(host: str, port: int) -> list[str]:
            raise OSError("unknown")

        http = Httpx2Http(OutboundPolicy(attempts_max=1), resolve=failing)
        for number in range(2_100):
            await refusal(http.send(soon(), HttpRequest(method="GET", url=f"https://user{number}.example/")))
        return len(http._outbound._hosts)

    assert asyncio.run(story()) == 2_000


def test_a_call_that_was_given_up_leaves_nothing_in_the_pool() -> None:
    async def story() -> list[object]:
        async with far_server() as far:
            far.program.append(is_silent)
            http = Httpx2Http(OutboundPolicy(allow_hosts=["127.0.0.1"]))
            calls = [asyncio.create_task(http.send(soon(), HttpRequest(method="GET", url=far.url))) for _ in range(10)]
            await until(lambda: len(far.heard) == 10)
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
            return list(http._pool.connections)

    assert asyncio.run(story()) == []
