"""Links over NATS while its server comes late, and comes back: what the laws of the port leave to each transport."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from armature.adapters.nats.connection import NatsConnection
from armature.adapters.nats.links import NatsLinks
from armature.kernel.refusals import Unavailable
from armature.ports.links import LinkError, NotSent
from armature.testing.servers import LocalNats

pytestmark = pytest.mark.slow


async def _echo(message: bytes) -> bytes:
    return b"echo " + message


def links(server: LocalNats) -> NatsLinks:
    return NatsLinks(NatsConnection(server.url), "late")


@asynccontextmanager
async def hosted(server: LocalNats) -> AsyncIterator[None]:
    """Somebody else, who answers for `alpha`."""
    host = links(server)
    await host.open()
    await host.answer(["alpha"], _echo)
    try:
        yield
    finally:
        await host.close()


async def answered(asker: NatsLinks) -> None:
    async with asyncio.timeout(15):
        while True:
            with suppress(LinkError):
                assert await asker.ask("alpha", b"hello", 1.0) == b"echo hello"
                return
            await asyncio.sleep(0.01)


async def test_who_began_before_the_server_asks_as_soon_as_it_is_there() -> None:
    server = LocalNats()
    asker = links(server)
    try:
        with pytest.raises(Unavailable):
            await asker.open()
        with pytest.raises(NotSent, match="not connected"):
            await asker.ask("alpha", b"hello", 1.0)
        await asyncio.to_thread(server.start)
        async with hosted(server):
            await answered(asker)
    finally:
        await asker.close()
        server.close()


async def test_a_server_that_comes_back_finds_everybody_where_they_were() -> None:
    with LocalNats() as server:
        asker = links(server)
        await asker.open()
        try:
            async with hosted(server):
                await answered(asker)
                await asyncio.to_thread(server.restart)
                await answered(asker)
        finally:
            await asker.close()


async def test_large_messages_beside_small_ones_arrive_whole() -> None:
    with LocalNats() as server:
        asker = links(server)
        await asker.open()
        try:
            async with hosted(server):
                sizes = [1, 300, 40_000, 70_000, 900_000] * 8
                answers = await asyncio.gather(*(asker.ask("alpha", b"x" * size, 20.0) for size in sizes))
            assert [len(answer) for answer in answers] == [size + 5 for size in sizes]
        finally:
            await asker.close()
