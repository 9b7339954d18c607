"""The keys that govern how a process leaves, and who may do what how often."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from armature.testing.servers import free_port
from tests.edges.wire import Wire, until
from tests.model import probe
from tests.model.effects import LEVERS, REPOSITORY, Running, Stage, effect_of, request
from tests.model.project import project

HEALTH_PORT = free_port()
RUN = "from armature.cli.main import main; main()"


@pytest.mark.slow
@effect_of("http.drain_seconds", to="0.05", default=200, flipped=None)
async def test_accepted_requests_may_take_so_long_to_finish(stage: Stage) -> object:
    async with stage.serving() as running:
        held = asyncio.create_task(running.attempt("GET /v1/hold?gate=hold"))
        clock = asyncio.create_task(running.attempt("GET /v1/patient"))
        await until(lambda: running.at.public.running == 2)
        os.kill(os.getpid(), signal.SIGTERM)
        await clock
        probe.open_gate("hold")
        answer = await held
        return answer and answer.status


@pytest.mark.slow
@effect_of("http.drain_notice_seconds", to="30", default="closed", flipped=503)
async def test_readiness_says_first_that_the_process_leaves(stage: Stage) -> object:
    async with stage.serving() as running:
        held = asyncio.create_task(running.attempt("GET /v1/hold?gate=hold"))
        clock = asyncio.create_task(running.attempt("GET /v1/patient"))
        await until(lambda: running.at.public.running == 2)
        os.kill(os.getpid(), signal.SIGTERM)
        seen: object = 200
        while seen != "closed" and not clock.done():
            seen = await readiness(running)
        probe.open_gate("hold")
        await asyncio.wait((held, clock))
        return seen


async def readiness(running: Running) -> object:
    try:
        wire = await Wire.open(running.port)
    except ConnectionRefusedError:
        return "closed"
    wire.send(request("GET /readyz"))
    answer = await wire.answer()
    await wire.close()
    return answer.status if answer else "closed"


@effect_of("limits.default", to="1/hour", default=200, flipped=429)
async def test_operations_without_a_rate_have_the_default_one(stage: Stage) -> object:
    return await last(stage, "ann", "ann")


@effect_of("limits.operations", to="{lever.open: 1/hour}", default=200, flipped=429)
async def test_an_operation_has_a_rate_of_its_own(stage: Stage) -> object:
    return await last(stage, "ann", "ann")


@effect_of("limits.keys_max", to="1", default=429, flipped=200, given={"limits.default": "1/hour"})
async def test_so_many_callers_are_remembered(stage: Stage) -> object:
    return await last(stage, "ann", "bob", "ann")


@effect_of("roles", to="{puller: [lever:read]}", default=403, flipped=200)
async def test_a_role_has_permissions(stage: Stage) -> object:
    async with stage.serving() as running:
        return (await running.ask("GET /v1/say?letters=1", x_actor="ann", x_roles="puller")).status


async def last(stage: Stage, *actors: str) -> int:
    """Return what the last of several calls is answered."""
    async with stage.serving() as running:
        return [(await running.ask("GET /v1/open", x_actor=actor)).status for actor in actors][-1]


async def test_a_process_plays_the_roles_of_its_topology_and_no_others(tmp_path: Path) -> None:
    (tmp_path / "modules").symlink_to(LEVERS / "modules")
    for roles, seen in (("[http]", 503), ("[http, projector]", 200)):
        stage = Stage({}, tmp_path / "data")
        stage.root = project(tmp_path, single=f"processes: {{app: {{roles: {roles}}}}}")
        async with stage.serving() as running:
            assert (await running.ask("GET /v1/seen")).status == seen


async def test_calls_that_a_rate_refused_are_counted(tmp_path: Path) -> None:
    async with Stage({"ARMATURE_LIMITS__DEFAULT": "1/hour"}, tmp_path).serving() as running:
        for _ in range(3):
            await running.ask("GET /v1/open")
        assert await running.metric('armature_limited_total{operation="lever.open"}') == 2


@effect_of("http.health_port", to=str(HEALTH_PORT), default=False, flipped=True)
async def test_a_process_without_requests_tells_its_health_there(stage: Stage) -> object:
    stage.data.mkdir()
    (stage.data / "modules").symlink_to(LEVERS / "modules")
    stage.root = project(stage.data, single="processes: {app: {roles: [sweeper]}}")
    async with stage.serving() as running:
        assert (await running.ask("GET /readyz")).status == 200
        assert (await running.ask("GET /metrics")).status == 200
        assert (await running.ask("GET /v1/open")).status == 404
        return running.port == HEALTH_PORT


@pytest.mark.slow
@effect_of("delivery.background_nice", to="3", default=10, flipped=3)
async def test_who_answers_nobody_gives_way(stage: Stage) -> object:
    assert await lowered(stage, "[http, sweeper]") == 0
    return await lowered(stage, "[sweeper]")


async def lowered(stage: Stage, roles: str) -> int:
    """Start a process that plays these roles, and return by how much its priority is below ours."""
    root = stage.data / str(len(roles))
    root.mkdir(parents=True)
    (root / "modules").symlink_to(LEVERS / "modules")
    project(root, single=f"processes: {{app: {{roles: {roles}}}}}")
    words = ["run", "--port", "0", "--data", str(root / "data")]
    environ = {**os.environ, **stage.environ, "PYTHONPATH": str(REPOSITORY)}
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-c", RUN, *words, cwd=root, env=environ, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert started.stdout is not None
        async with asyncio.timeout(30):
            assert b"listens on" in await started.stdout.readline()
        return os.getpriority(os.PRIO_PROCESS, started.pid) - os.getpriority(os.PRIO_PROCESS, 0)
    finally:
        started.terminate()
        await started.communicate()
