"""What the rebuild row runs: both read models of the counters, built anew from a log that is there."""

import asyncio
import subprocess
import sys
from pathlib import Path

import msgspec

from armature.testing.app import TestApp
from bench.targets import ROOT, SAME


def test_the_read_models_are_built_anew_from_the_whole_log(tmp_path: Path) -> None:
    async def filled() -> None:
        async with TestApp(SAME.project, data=tmp_path) as app:
            made = await app.post("/v1/counters", json={"name": "a"})
            for _ in range(3):
                assert (await app.post(f"/v1/counters/{made.json()['id']}/increment", json={})).status == 200

    asyncio.run(filled())
    command = [sys.executable, "-m", "bench.replay", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert msgspec.json.decode(done.stdout)["events"] == 4
