"""A commit wakes who numbers, and the numbers wake who follows. Nobody here would look by himself."""

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest

from armature.testing.servers import LocalNats, LocalRedis
from tests.live.fleet import ROOT, at, process
from tests.model.effects import Running

pytestmark = pytest.mark.slow

NEVER = {"ARMATURE_DELIVERY__POLL_SECONDS": "600", "ARMATURE_PROJECTIONS__POLL_SECONDS": "600"}


async def counted(node: Running) -> list[Any]:
    """Create a counter, move it, and return its history as soon as there is one."""
    made = await node.ask("POST /v1/counters", {"name": f"hint{time.monotonic_ns()}"})
    assert made.status == 201
    path = f"/v1/counters/{msgspec.json.decode(made.body)['id']}"
    assert (await node.ask(f"POST {path}/increment", {"by": 1})).status == 200
    until = time.monotonic() + 20
    while True:
        said = await node.ask(f"GET {path}/history")
        lines: list[Any] = msgspec.json.decode(said.body)["items"] if said.status == 200 else []
        if lines:
            return lines
        assert time.monotonic() < until, said.body
        await asyncio.sleep(0.01)


async def test_one_process_numbers_and_folds_what_it_has_just_committed(tmp_path: Path, postgres_url: str) -> None:
    environ = {"ARMATURE_POSTGRES_URL": postgres_url, **NEVER}
    async with process(at(ROOT, "single-postgres", tmp_path, environ), environ) as node:
        for _ in range(3):
            assert await counted(node)


async def test_in_a_fleet_one_process_commits_another_numbers_and_a_third_folds(
    tmp_path: Path, postgres_url: str, nats: LocalNats, redis: LocalRedis
) -> None:
    servers = {"ARMATURE_POSTGRES_URL": postgres_url, "ARMATURE_NATS_URL": nats.url, "ARMATURE_REDIS_URL": redis.url}
    environ = {**servers, **NEVER}
    model = at(ROOT, "fleet", tmp_path, environ)
    async with AsyncExitStack() as stack:
        web, *_ = [await stack.enter_async_context(process(model, environ, name)) for name in ("web", "sequencer", "projector")]
        for _ in range(3):
            assert await counted(web)
