"""A network that breaks between two processes, which call each other by TCP with the certificates of `armature certs dev`.

What was done although its answer was lost is done once when it had a key, and told as unknown when it had none.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import apsw
import pytest

from armature.adapters.grpc.certificates import issue
from armature.testing.faults import Blackhole, LoseAnswers, Pass, Refuse, Reset, TcpProxy
from tests.neighbours.harbour import Gate, Harbour, Person, build
from tests.neighbours.pair import SECONDS_MAX, until

pytestmark = pytest.mark.slow

# A test mends the network a little later: nobody is to give up before.
PATIENT = {"neighbours": {"attempts_max": 1_000, "retry_ratio_max": 1.0, "breaker_volume_min": 1_000}}


@asynccontextmanager
async def wire(folder: Path) -> AsyncIterator[tuple[Person, TcpProxy]]:
    """An edge, and the network between it and the application."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with TcpProxy(port) as proxy:
        shown = {"certificate": "{data}/certs/{process}.pem", "key": "{data}/certs/{process}.key"}
        at = {"listen": f"127.0.0.1:{port}", "addresses": {"app": f"127.0.0.1:{proxy.port}"}}
        neighbours = {**shown, **at, "authority": "{data}/certs/ca.pem"}
        async with Harbour(build(folder, environment={"neighbours": neighbours}, policies=PATIENT)) as harbour:
            issue(harbour.data / "certs", "harbour", ("app", "edge"))
            await harbour.open("app")
            edge = await harbour.open("edge")
            # Good calls save up the retries that bad ones spend: the network is mended a moment later than it breaks.
            assert {(await edge.get("/v1/watch")).status for _ in range(10)} == {200}
            yield edge, proxy


def stored(edge: Person) -> int:
    """Count the crates in the database file, behind everybody's back."""
    db = apsw.Connection(str(edge.system.core.model.database_path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return len(db.execute("select id from pier_crates").fetchall())
    finally:
        db.close()


async def _cut(proxy: TcpProxy, done: Callable[[], bool]) -> None:
    """Break every connection when the work is done and its answer lost, and mend the network."""
    await until(lambda: done() and proxy.counts["LoseAnswers"] > 0)
    proxy.switch(Reset())
    proxy.switch(Pass())


async def test_a_command_with_a_key_whose_answer_is_lost_is_done_once_and_answered(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    async with wire(tmp_path) as (edge, proxy):
        body = {"note": "tea", "gate": gate.name}
        call = asyncio.create_task(edge.post("/v1/crates", json=body, headers={"idempotency-key": "k1"}))
        await until(lambda: gate.reached)
        proxy.switch(LoseAnswers(cut=False))
        gate.open()
        await _cut(proxy, lambda: stored(edge) == 1)
        answer = await call
        assert (answer.status, answer.headers.get("idempotent-replayed")) == (201, "true")
        assert stored(edge) == 1


async def test_a_command_without_a_key_whose_answer_is_lost_is_told_as_unknown_and_not_sent_again(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    async with wire(tmp_path) as (edge, proxy):
        call = asyncio.create_task(edge.post("/v1/crates", json={"note": "tea", "gate": gate.name}))
        await until(lambda: gate.reached)
        proxy.switch(LoseAnswers(cut=False))
        gate.open()
        await _cut(proxy, lambda: stored(edge) == 1)
        answer = await call
        assert (answer.status, answer.json()["code"]) == (503, "commit:unknown")
        assert stored(edge) == 1


async def test_a_query_whose_answer_is_lost_is_asked_again(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    async with wire(tmp_path) as (edge, proxy):
        call = asyncio.create_task(edge.get(f"/v1/watch?gate={gate.name}"))
        await until(lambda: gate.reached)
        proxy.switch(LoseAnswers(cut=False))
        gate.open()
        await _cut(proxy, lambda: True)
        assert (await call).status == 200


async def test_a_command_that_was_never_sent_is_told_as_not_done(tmp_path: Path) -> None:
    async with wire(tmp_path) as (edge, proxy):
        proxy.switch(Refuse())
        edge.system.background.observer.doubt()
        await until(lambda: len(edge.system.health.missing()) == 3)
        answer = await edge.post("/v1/crates", json={"note": "tea"})
        assert (answer.status, answer.json()["code"]) == (503, "system:unavailable")
        assert answer.headers["retry-after"] == "1"
        assert "module 'pier'" in answer.json()["detail"]
        proxy.switch(Pass())
        async with asyncio.timeout(SECONDS_MAX):
            while (await edge.get("/v1/watch")).status != 200:  # noqa: ASYNC110  (the edge finds out by itself)
                await asyncio.sleep(0.01)
        assert stored(edge) == 0


async def test_a_partition_is_told_in_time_and_readiness_names_the_modules_until_it_is_over(tmp_path: Path) -> None:
    async with wire(tmp_path) as (edge, proxy):
        assert (await edge.get("/readyz")).status == 200
        proxy.switch(Blackhole())
        answer = await edge.get("/v1/climb?steps=1")
        assert (answer.status, answer.json()["code"]) == (504, "system:deadline"), answer
        assert proxy.counts["Blackhole"] > 0
        edge.system.background.observer.doubt()
        await until(lambda: len(edge.system.health.missing()) == 3)
        missing = (await edge.get("/readyz")).json()["missing"]
        assert [one.split(":")[0] for one in sorted(missing)] == ["module counter", "module pier", "module quota"]
        proxy.switch(Pass())
        async with asyncio.timeout(SECONDS_MAX):
            while (await edge.get("/readyz")).status != 200:  # noqa: ASYNC110  (the edge finds out by itself)
                await asyncio.sleep(0.01)
        assert (await edge.get("/v1/climb?steps=1")).status == 200
