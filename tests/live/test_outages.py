"""What a process of the fleet does while a server is away: it starts without what it can miss, counts alone, and says so."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from armature.runtime.reaching import Reaching
from armature.runtime.supervisor import PATIENT
from armature.testing.servers import LocalNats, LocalPostgres, LocalRedis, free_port
from tests.live.fleet import ROOT, at, process
from tests.model.effects import Running

_PATIENCE_SECONDS = 30.0
NAMES = iter(range(1_000_000))


async def eventually(so: Callable[[], Awaitable[bool]], what: str) -> float:
    """Return after how many seconds it was so."""
    began = time.monotonic()
    while not await so():
        assert time.monotonic() < began + _PATIENCE_SECONDS, what
        await asyncio.sleep(0.02)
    return time.monotonic() - began


async def ready(node: Running) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode((await node.ask("GET /readyz")).body)
    return found


async def create(node: Running) -> int:
    return (await node.ask("POST /v1/counters", {"name": f"c{next(NAMES)}"})).status


@pytest.mark.slow
async def test_a_web_process_starts_and_serves_while_everything_but_the_database_is_away(
    tmp_path: Path, postgres_url: str
) -> None:
    environ = {
        "ARMATURE_POSTGRES_URL": postgres_url,
        "ARMATURE_NATS_URL": f"nats://127.0.0.1:{free_port()}",
        "ARMATURE_REDIS_URL": f"redis://127.0.0.1:{(redis_port := free_port())}",
        "ARMATURE_OBSERVE__DEPENDENCY_SECONDS": "0.2",
    }
    async with process(at(ROOT, "fleet", tmp_path, environ), environ, "web") as node:
        assert await create(node) == 201

        async def told(*names: str) -> bool:
            found = await ready(node)
            return found["missing"] == [] and [one.partition(":")[0] for one in found.get("without", [])] == list(names)

        await eventually(lambda: told("signal", "cache", "limiter"), "readiness does not say what is away")
        with LocalRedis(port=redis_port):
            await eventually(lambda: told("signal"), "Redis is there and not taken")
            assert await create(node) == 201


@pytest.mark.slow
async def test_a_rate_holds_over_two_nodes_and_over_each_alone_while_the_store_is_away(
    tmp_path: Path, postgres_url: str, nats: LocalNats
) -> None:
    with LocalRedis() as store:
        environ = {
            "ARMATURE_POSTGRES_URL": postgres_url,
            "ARMATURE_NATS_URL": nats.url,
            "ARMATURE_REDIS_URL": store.url,
            "ARMATURE_LIMITS__DEFAULT": "4/hour",
        }
        model = at(ROOT, "fleet", tmp_path, environ)
        async with process(model, environ, "web") as one, process(model, environ, "web") as two:
            assert sorted([await create(node) for node in (one, two) * 4]) == [201] * 4 + [429] * 4
            store.kill9()
            for node in (one, two):
                assert [await create(node) for _ in range(5)] == [201] * 4 + [429]


@pytest.mark.slow
async def test_a_database_that_goes_away_is_told_and_its_return_is_seen(tmp_path: Path) -> None:
    with LocalPostgres() as server:
        environ = {"ARMATURE_POSTGRES_URL": server.create_database("outage")}
        async with process(at(ROOT, "single-postgres", tmp_path, environ), environ) as node:
            assert await create(node) == 201
            server.kill9()
            assert await create(node) == 503

            async def unready() -> bool:
                return any(one.startswith("database") for one in (await ready(node))["missing"])

            assert await eventually(unready, "readiness never says it") < 10.0
            server.start()

            async def back() -> bool:
                return (await ready(node))["missing"] == []

            assert await eventually(back, "it never recovers") < 5.0
            assert await create(node) == 201


@pytest.mark.slow
def test_a_process_that_shall_end_with_its_database_ends_with_the_code_of_a_patient_one(tmp_path: Path) -> None:
    (tmp_path / "platform/topologies").mkdir(parents=True)
    for part in ("modules", "platform/environments", "platform/policies.yaml"):
        (tmp_path / part).symlink_to(ROOT / part)
    topology = (ROOT / "platform/topologies/single-postgres.yaml").read_text() + "    on_loss: exit\n"
    (tmp_path / "platform/topologies/strict.yaml").write_text(topology)
    run = [sys.executable, "-c", "from armature.cli.main import main; main()", "run", "--topology", "strict", "--port", "0"]
    with LocalPostgres() as server:
        environ = {"ARMATURE_POSTGRES_URL": server.create_database("strict"), "ARMATURE_OBSERVE__DEPENDENCY_SECONDS": "0.2"}
        with subprocess.Popen(
            run, cwd=tmp_path, env={**os.environ, **environ}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as child:
            try:
                assert child.stdout is not None
                assert any("listens on" in line for line in child.stdout)
                server.kill9()
                said, _ = child.communicate(timeout=20)
                assert (child.returncode, "on_loss is exit" in said) == (PATIENT, True)
            finally:
                child.kill()
    # The database is still away: a start says so in words, with the same code.
    done = subprocess.run(run, cwd=tmp_path, env={**os.environ, **environ}, capture_output=True, text=True, timeout=60)
    assert (done.returncode, "start the server" in done.stderr) == (PATIENT, True)


class Port:
    """Refuses as often as a test says, then opens."""

    def __init__(self, *refusals: Exception) -> None:
        self.refusals = list(refusals)
        self.opened = self.closed = 0

    async def open(self) -> None:
        if self.refusals:
            raise self.refusals.pop(0)
        self.opened += 1

    async def close(self) -> None:
        self.closed += 1


async def test_a_server_of_the_wrong_kind_is_refused_at_the_start() -> None:
    reaching = Reaching({"cache": Port(), "bus": Port(ValueError("it is a teapot"))})
    with pytest.raises(ValueError, match="teapot"):
        await reaching.open()
    await reaching.close()


@pytest.mark.slow
async def test_a_relay_starts_without_its_broker_says_so_and_goes_on_when_it_is_there(
    tmp_path: Path, postgres_url: str, redis: LocalRedis
) -> None:
    port = free_port()
    environ = {
        "ARMATURE_POSTGRES_URL": postgres_url,
        "ARMATURE_NATS_URL": f"nats://127.0.0.1:{port}",
        "ARMATURE_REDIS_URL": redis.url,
        "ARMATURE_OBSERVE__DEPENDENCY_SECONDS": "0.2",
    }
    async with process(at(ROOT, "fleet", tmp_path, environ), environ, "relay") as relay:

        async def away() -> bool:
            return any(one.startswith("bus: ") for one in (await ready(relay))["missing"])

        await eventually(away, "nobody says that the broker is away")
        with LocalNats(port=port):

            async def back() -> bool:
                found = await ready(relay)
                return found["missing"] == [] and "without" not in found

            await eventually(back, "the broker is there and not taken")
