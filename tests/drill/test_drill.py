"""The drill ends with zeros on what we ship, and not on a build that was sabotaged."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
RUN = "from armature.cli.main import main; main()"

PARTS = {
    "layered": {"edge", "app"},
    "services": {"edge", "counter", "quota"},
    "store": {"store", "web"},
    "split": {"edge", "counter", "quota", "keeper", "postgres", "nats", "redis"},
}

SABOTAGES = {
    "it answers before the commit": (
        "single",
        "engine/pipeline.py",
        "                verdict = await self._hand_over(call, self._parts.database.commit(unit))\n",
        "                asyncio.ensure_future(asyncio.sleep(0.3)).add_done_callback("
        "lambda _: asyncio.ensure_future(self._parts.database.commit(unit)))\n"
        "                verdict = Committed(None)\n",
        "lost",
    ),
    "it forgets the key": (
        "single",
        "engine/pipeline.py",
        "        return Answer(result, body), work.unit(key), work\n",
        "        return Answer(result, body), work.unit(None), work\n",
        "doubled",
    ),
    "the stand-in forgets the key on the way": (
        "layered",
        "engine/remote_operation.py",
        "        key = call.key\n",
        "        key = None\n",
        "doubled",
    ),
    "a reaction to another log does not write down what it took": (
        "services",
        "engine/consumed.py",
        "        writes.append((step, tuple(values[name] for name in step.params)))\n    return writes\n",
        "        writes.append((step, tuple(values[name] for name in step.params)))\n    return []\n",
        "faults",
    ),
}


def test_a_minute_of_killing_the_fleet_loses_nothing_and_doubles_nothing() -> None:
    done, said = _drill("fleet", "--seconds", "60", "--acknowledged-min", "10000")
    assert done.returncode == 0, done.stderr[-3000:]
    account = said["account"]
    assert (account["lost"], account["doubled"], account["undelivered"], account["faults"]) == (0, 0, 0, [])
    assert account["acknowledged"] >= 10_000
    assert set(said["kills"]) >= {"web", "relay", "sequencer", "projector", "postgres", "nats", "redis"}
    assert min(said["kills"].values()) >= 3
    assert account["delivered"] == account["events"]


def test_one_process_can_be_drilled_too() -> None:
    done, said = _drill("single", "--seconds", "6")
    assert done.returncode == 0, done.stderr[-3000:]
    assert said["kills"]["app"] >= 3 and said["account"]["acknowledged"] > 100


@pytest.mark.parametrize("topology", PARTS)
def test_processes_that_ask_each_other_are_killed_and_nothing_is_lost_or_doubled(topology: str) -> None:
    done, said = _drill(topology, "--seconds", "6", "--kills", "1")
    assert done.returncode == 0, done.stderr[-3000:] + str(said)
    account = said["account"]
    assert (account["lost"], account["doubled"], account["undelivered"], account["faults"]) == (0, 0, 0, [])
    assert said["kills"].keys() == PARTS[topology] and min(said["kills"].values()) >= 1
    assert account["acknowledged"] > 100


@pytest.mark.parametrize("name", SABOTAGES)
def test_a_sabotaged_build_is_found(name: str, tmp_path: Path) -> None:
    topology, file, before, after, found = SABOTAGES[name]
    shutil.copytree(ROOT / "src" / "armature", tmp_path / "armature", ignore=shutil.ignore_patterns("__pycache__"))
    source = tmp_path / "armature" / file
    assert source.read_text().count(before) == 1, "sow the defect anew"
    source.write_text(source.read_text().replace(before, after))
    done, said = _drill(topology, "--seconds", "6", "--kills", "1", environ={"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 1, done.stderr[-3000:]
    assert said["account"][found], said


def test_a_drill_that_proves_too_little_fails() -> None:
    done, said = _drill("single", "--seconds", "3", "--acknowledged-min", "1000000")
    assert done.returncode == 1 and "proves too little" in done.stderr
    assert said["account"]["lost"] == 0


def test_what_cannot_be_drilled_is_refused_in_words() -> None:
    done = _run("--topology", "flete")
    assert done.returncode == 2 and "flete" in done.stderr and "Traceback" not in done.stderr


def _drill(topology: str, *words: str, environ: dict[str, str] | None = None) -> tuple[subprocess.CompletedProcess[str], Any]:
    done = _run("--topology", topology, "--json", *words, environ=environ)
    return done, json.loads(done.stdout) if done.stdout else {}


def _run(*words: str, environ: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", RUN, "drill", *words],
        cwd=ROOT,
        env={**os.environ, **(environ or {})},
        text=True,
        capture_output=True,
        timeout=400,
        check=False,
    )
