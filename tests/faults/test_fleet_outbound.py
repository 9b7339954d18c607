"""A host outside that is frozen or resets every connection, asked by a web process of the fleet: no storm of retries reaches it,
its breaker opens, and one probe at a time finds out when it is back. And a frozen database, which nobody knocks at twice."""

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from armature.testing.answer import Response
from armature.testing.faults import Pass, Reset, TcpProxy
from armature.testing.processes import frozen
from armature.testing.server import RunningServer
from armature.testing.servers import free_port

from .process.fleet import Breakable, Fleet
from .process.patience import eventually
from .process.supervised import addresses, build

pytestmark = pytest.mark.slow

FAR = "import http.server as h; h.ThreadingHTTPServer(('127.0.0.1', {port}), h.SimpleHTTPRequestHandler).serve_forever()"
CALLS = 200
AT_ONCE = 16
RATIO = 0.1
RESERVE = 3
"""Retries that a host has from the start."""
SHORT = {
    "OUTBOUND__ALLOW_HOSTS": "127.0.0.1",
    "OUTBOUND__TIMEOUT_SECONDS": "1",
    "OUTBOUND__BREAKER_OPEN_SECONDS": "5",
    "QUERIES__DEADLINE_SECONDS": "30",
}
NO_BREAKER = {"OUTBOUND__BREAKER_VOLUME_MIN": "1000000"}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short name: it becomes the installation's."""
    with tempfile.TemporaryDirectory(prefix="outside-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@contextmanager
def outside(folder: Path) -> Iterator[tuple[TcpProxy, int]]:
    """A host that answers each request on a connection of its own, which the proxy counts; yields its process id too."""
    port = free_port()
    with subprocess.Popen([sys.executable, "-c", FAR.format(port=port)], cwd=folder, stderr=subprocess.DEVNULL) as process:
        try:
            with TcpProxy(port) as proxy:
                yield proxy, process.pid
        finally:
            process.kill()


@asynccontextmanager
async def asking(breakable: Breakable, folder: Path, **policies: str) -> AsyncIterator[RunningServer]:
    """A web process of the fleet with a module that asks outside."""
    name = folder.name.replace("-", "_").lower()
    breakable.postgres.create_database(name)
    environ = {**addresses(breakable, name), **SHORT, **policies}
    project = build(folder / folder.name, "rate")
    named = {f"ARMATURE_{key}": value for key, value in environ.items()}
    server = RunningServer(project, data=folder / "data", environ=named, words=("--topology", "fleet", "--process", "web"))
    try:
        await asyncio.to_thread(server.launch)
        await eventually(lambda: asyncio.to_thread(server._is_ready), "the web process is never ready", seconds=90)
        yield server
    finally:
        await asyncio.to_thread(server.close)


async def ask(server: RunningServer, proxy: TcpProxy) -> Response:
    return await asyncio.to_thread(server.get, f"/v1/rates/{proxy.port}")


async def crowd(server: RunningServer, proxy: TcpProxy, count: int) -> list[Response]:
    turns = asyncio.Semaphore(AT_ONCE)

    async def one() -> Response:
        async with turns:
            return await ask(server, proxy)

    return list(await asyncio.gather(*(one() for _ in range(count))))


async def test_a_host_that_resets_everybody_gets_no_more_retries_than_the_budget_has(breakable: Breakable, folder: Path) -> None:
    with outside(folder) as (proxy, _):
        async with asking(breakable, folder, **NO_BREAKER) as server:
            await eventually(lambda: answers(server, proxy), "the host never answers")
            proxy.switch(Reset())
            told = await crowd(server, proxy, CALLS)
            assert {one.status for one in told} == {503}, server.log[-6000:]
            assert CALLS < proxy.counts["Reset"] <= CALLS * (1 + RATIO) + RESERVE
            proxy.switch(Pass())
            assert (await ask(server, proxy)).status == 200


async def test_a_frozen_host_is_left_alone_and_one_probe_at_a_time_finds_out_that_it_is_back(
    breakable: Breakable, folder: Path
) -> None:
    with outside(folder) as (proxy, pid):
        async with asking(breakable, folder) as server:
            await eventually(lambda: answers(server, proxy), "the host never answers")
            with frozen(pid) as still:
                assert still >= 1
                before = proxy.counts["connections"]
                told = await crowd(server, proxy, CALLS)
                assert {one.status for one in told} <= {503, 504}
                knocked = proxy.counts["connections"] - before
                assert 20 <= knocked <= CALLS // 2, f"{knocked} of {CALLS} calls reached a host that stands still"
                # Each crowd that comes while it is shut sends one probe at most, when its time has come.
                for _ in range(3):
                    before = proxy.counts["connections"]
                    assert {one.status for one in await crowd(server, proxy, AT_ONCE)} <= {503, 504}
                    assert proxy.counts["connections"] - before <= 1
                    await eventually(lambda seen=before: probed(server, proxy, seen), "no probe is ever sent")  # type: ignore[misc]
            before = proxy.counts["connections"]
            await eventually(lambda: answers(server, proxy), "it is never closed again")
            assert proxy.counts["connections"] - before == 1, "it took more than one probe"
            assert {one.status for one in await crowd(server, proxy, AT_ONCE)} == {200}


async def test_nobody_knocks_twice_at_a_frozen_database(breakable: Breakable, fleet: Fleet) -> None:
    hurry = {"ARMATURE_COMMANDS__DEADLINE_SECONDS": "2", "ARMATURE_POSTGRES__ACQUIRE_SECONDS": "1"}
    async with fleet.open("web", **hurry) as web:
        path = await web.counter()
        before = fleet.postgres.counts["connections"]
        await asyncio.to_thread(breakable.postgres.pause)
        try:
            told = await asyncio.gather(*(web.post(f"{path}/increment", json={"by": 1}) for _ in range(CALLS)))
            assert {one.status for one in told} <= {503, 504}
            assert fleet.postgres.counts["connections"] - before <= CALLS * (1 + RATIO)
        finally:
            await asyncio.to_thread(breakable.postgres.resume)
        await eventually(lambda: moved(web, path), "it never serves again")
        assert (await web.get(path)).json()["value"] == 1, "somebody who was sent away had an effect, or had it twice"


async def answers(server: RunningServer, proxy: TcpProxy) -> bool:
    return (await ask(server, proxy)).status == 200


async def probed(server: RunningServer, proxy: TcpProxy, before: int) -> bool:
    await ask(server, proxy)
    return proxy.counts["connections"] > before


async def moved(web: object, path: str) -> bool:
    return (await web.post(f"{path}/increment", json={"by": 1})).status == 200  # type: ignore[attr-defined,no-any-return]
