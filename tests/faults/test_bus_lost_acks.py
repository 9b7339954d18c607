"""Acks lost between a broker and its publisher: nothing is counted that was not acknowledged, and what is published again
is there once."""

import asyncio
import re
from collections.abc import Callable

import pytest

from armature.adapters.nats.bus import NatsBus
from armature.adapters.nats.connection import NatsConnection
from armature.adapters.redis.bus import RedisBus
from armature.adapters.redis.connection import RedisConnection
from armature.conformance.bus_world import CHANGED, drained, events, prove
from armature.kernel.refusals import Unavailable
from armature.ports.bus import Bus, Message
from armature.testing.faults import LoseAnswers, Pass, TcpProxy
from armature.testing.faults.link import Flow, Mode
from armature.testing.servers import LocalNats, LocalRedis

pytestmark = pytest.mark.slow

_ACK = re.compile(rb'MSG _INBOX\.ack\.\w+\.\d+ \d+ +\d+\r\n\{"stream":"[^\r]*"seq":150\}\r\n')


class LoseOneAck(Mode, frozen=True):
    """The ack of the 150th message of a stream is lost, alone."""

    held: bytearray

    async def carry(self, flow: Flow, piece: bytes) -> bytes:
        """Pass on whole messages, but for that one."""
        if flow.side == "client":
            await flow.send(piece)
            return b""
        self.held.extend(piece)
        whole, lost = _ACK.subn(b"", bytes(self.held))
        flow.link.counts["LoseOneAck"] += lost
        cut = whole.rfind(b"MSG ")
        end = cut if cut >= 0 and whole.count(b"\r\n", cut) < 2 else len(whole)
        await flow.send(whole[:end])
        self.held[:] = whole[end:]
        return b""


async def _again(bus: Bus, messages: list[Message]) -> None:
    """Publish what is left until nothing is, as the relay does."""
    async with asyncio.timeout(60):
        while messages:
            try:
                messages = messages[await bus.publish(messages) :]
            except Unavailable:
                await asyncio.sleep(0.02)


def test_an_ack_that_is_lost_alone_ends_the_count(nats: LocalNats) -> None:
    async def story(proxy: TcpProxy) -> None:
        bus = NatsBus(NatsConnection(f"nats://127.0.0.1:{proxy.port}"), "one-ack")
        await bus.open()
        member = await bus.subscribe("g", [CHANGED], in_order=False)
        sent = events(1, 300)
        await asyncio.to_thread(proxy.switch, LoseOneAck(bytearray()))
        assert await bus.publish(sent) == 149
        assert proxy.counts["LoseOneAck"] == 1
        await asyncio.to_thread(proxy.switch, Pass())
        await _again(bus, sent[149:])
        assert await drained(member, 300) == sent
        await bus.close()

    with TcpProxy(nats.port) as proxy:
        prove(story(proxy))


def _over_nats(port: int) -> Bus:
    return NatsBus(NatsConnection(f"nats://127.0.0.1:{port}"), "lost")


def _over_redis(port: int) -> Bus:
    return RedisBus(RedisConnection(f"redis://127.0.0.1:{port}/0"), "lost")


@pytest.mark.parametrize(
    ("server", "over", "word"), [("nats", _over_nats, b"HPUB"), ("redis", _over_redis, b"EVALSHA")], ids=["nats", "redis"]
)
def test_what_was_stored_and_not_acknowledged_is_there_once_when_it_is_published_again(
    request: pytest.FixtureRequest, server: str, over: Callable[[int], Bus], word: bytes
) -> None:
    running: LocalNats | LocalRedis = request.getfixturevalue(server)

    async def story(proxy: TcpProxy) -> None:
        bus = over(proxy.port)
        await bus.open()
        member = await bus.subscribe("g", [CHANGED], in_order=False)
        sent = events(1, 200)
        await bus.publish(sent[:1])
        lost = await asyncio.to_thread(proxy.when, word, LoseAnswers())
        await _again(bus, sent)
        assert lost.fired == 1
        assert proxy.counts["LoseAnswers"] >= 1
        assert await drained(member, 200) == sent
        await bus.close()

    with TcpProxy(running.port) as proxy:
        prove(story(proxy))
