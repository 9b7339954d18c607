"""Killed with -9 anywhere, a projection, a replay and an archive go on from where they were (I12, I13, I14)."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.projections.lab import Lab
from tests.projections.worker import POLICY, RETENTION

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def run(folder: Path, what: str, crash: str = "") -> int:
    """Run the worker to its end or its death; return its exit code."""
    environment = {**os.environ, "ARMATURE_CRASH": crash}
    command = [sys.executable, "-m", "tests.projections.worker", str(folder), what]
    done = subprocess.run(command, cwd=ROOT, env=environment, timeout=60, check=False, capture_output=True, text=True)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode


async def prepare(folder: Path, events: int) -> None:
    async with Lab(folder, policy=POLICY) as lab:
        await lab.drain()
        await lab.walk(events)


async def applied_is_what_the_checkpoint_says(lab: Lab) -> None:
    """Reconcile each generation's rows with its checkpoint: nothing skipped, nothing twice."""
    generations = await lab.rows("select projection, generation, position from armature_checkpoints")
    for projection, generation, position in generations:
        if projection == "probe.lines":
            assert await lab.rows(f"select count(*) from probe_lines__{generation}") == [(position,)]
        else:
            found = await lab.rows(f"select coalesce(sum(steps), 0) from probe_sums__{generation}")
            assert found == [(position,)]


@pytest.mark.parametrize(
    "crash", ["projector.applied:1", "projector.applied:4", "projector.committed:1", "projector.committed:5"]
)
async def test_a_killed_projector_has_applied_what_its_checkpoint_says(tmp_path: Path, crash: str) -> None:
    await prepare(tmp_path, 60)
    assert run(tmp_path, "project", crash) == -signal.SIGKILL
    async with Lab(tmp_path, policy=POLICY) as lab:
        await applied_is_what_the_checkpoint_says(lab)
        await lab.drain()
        await applied_is_what_the_checkpoint_says(lab)
        assert await lab.rows("select position from armature_checkpoints") == [(60,), (60,)]


@pytest.mark.parametrize("crash", ["projector.applied:2", "projector.committed:3", "replay.built:1", "replay.swapped:1"])
async def test_a_killed_replay_is_finished_by_the_next_process(tmp_path: Path, crash: str) -> None:
    await prepare(tmp_path, 60)
    async with Lab(tmp_path, policy=POLICY) as lab:
        await lab.drain()
        before = await lab.dump(lab.lines)
    assert run(tmp_path, "replay", crash) == -signal.SIGKILL
    async with Lab(tmp_path, policy=POLICY) as lab:
        await applied_is_what_the_checkpoint_says(lab)
        live = await lab.rows("select count(*) from armature_generations where projection = 'probe.lines' and state = 'live'")
        assert live == [(1,)]
        await lab.drain()
        assert await lab.live(lab.lines) == 2
        assert await lab.dump(lab.lines) == before
        assert await lab.rows("select state from armature_requests") == [("done",)]
        assert await lab.rows("select count(*) from armature_generations where state = 'building'") == [(0,)]


@pytest.mark.parametrize(
    "crash", ["archive.written:1", "archive.written:3", "archive.recorded:1", "archive.recorded:2", "archive.trimmed:1"]
)
async def test_a_killed_archive_loses_nothing(tmp_path: Path, crash: str) -> None:
    await prepare(tmp_path, 210)
    async with Lab(tmp_path, policy=POLICY) as lab:
        await lab.drain()
        before = await lab.dump(lab.lines)
    assert run(tmp_path, "archive", crash) == -signal.SIGKILL
    assert run(tmp_path, "archive") == 0
    async with Lab(tmp_path, policy=POLICY, retention=RETENTION) as lab:
        assert await lab.rows("select count(*), max(last_id) from armature_segments") == [(5, 200)]
        assert await lab.rows("select count(*) from armature_outbox") == [(10,)]
        await lab.requests.ask("replay", "probe.lines")
        await lab.drain()
        assert await lab.live(lab.lines) == 2
        assert await lab.dump(lab.lines) == before
