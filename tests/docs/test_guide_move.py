"""The guide "move a module into its own process", followed word for word on a copy of this project."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.docs.guide import GUIDES
from tests.docs.pages import ROOT

pytestmark = pytest.mark.slow

_RUN = "from armature.cli.main import main; main()"
_SECONDS_MAX = 240
PAGE = (GUIDES / "move-a-module.md").read_text(encoding="utf-8")


@pytest.fixture
def project() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="armature-move-", ignore_cleanup_errors=True) as name:
        for part in ("modules", "platform", "contracts", "pyproject.toml"):
            there = Path(name) / part
            if (ROOT / part).is_dir():
                shutil.copytree(ROOT / part, there, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / part, there)
        yield Path(name)


def commands() -> list[list[str]]:
    """The commands of the guide, in their order."""
    return [shlex.split(line) for line in re.findall(r"^    (\S.*)$", PAGE, re.MULTILINE) if not line.startswith("-")]


def words_of(command: list[str]) -> list[str]:
    """The command as this machine has it."""
    if command[0] == ".venv/bin/armature":
        return [sys.executable, "-c", _RUN, *command[1:]]
    return [sys.executable, *command[1:]] if command[0] == ".venv/bin/python" else command


def test_following_the_guide_moves_the_module_and_nobody_notices(project: Path) -> None:
    steps = commands()
    run = next(one for one in steps if one[1:] == ["run"])
    change = re.findall(r"^```diff\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[0]
    assert sum(line.startswith("+ ") for line in change.splitlines()) == 3
    follow(steps[0], project)
    subprocess.run(
        ["git", "apply", "--unsafe-paths", f"--directory={project}", "-"], input=change, text=True, check=True, cwd=project
    )
    for step in steps[1 : steps.index(run)]:
        said = follow(step, project)
        if step[1] == "plan":
            assert re.search(r"counter\s+× 1\s+neighbour, projector\s+counter\n", said)
    serve(run, project)
    for step in steps[steps.index(run) + 1 :]:
        follow(step, project)


def follow(step: list[str], project: Path) -> str:
    environ = {**os.environ, "PYTHONPATH": f"{project}{os.pathsep}{ROOT}"}
    done = subprocess.run(
        words_of(step), cwd=project, env=environ, text=True, capture_output=True, timeout=_SECONDS_MAX, check=False
    )
    assert done.returncode == 0, f"{' '.join(step)}:\n{done.stdout[-3_000:]}{done.stderr[-3_000:]}"
    return done.stdout


def serve(run: list[str], project: Path) -> None:
    """Start both processes, make a counter through the one that has none, and leave."""
    with (project / "log").open("w+b") as log:
        words = [*words_of(run), "--port", "0", "--data", str(project / "data")]
        process = subprocess.Popen(words, cwd=project, stdout=log, stderr=subprocess.STDOUT)
        try:
            said = ""
            until = time.monotonic() + _SECONDS_MAX
            while "Stop with Ctrl-C." not in said:
                assert process.poll() is None and time.monotonic() < until, said
                said = (project / "log").read_text()
                time.sleep(0.05)
            assert "2 processes" in said
            (address,) = re.findall(r"API\s+(http://\S+)\s+\(app\)", said)
            made = ask("POST", f"{address}/counters", '{"name": "moved"}')
            assert ask("POST", f"{address}/counters/{made['id']}/increment", "{}")["value"] == 1
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0


def ask(method: str, address: str, body: str) -> dict[str, object]:
    request = ["curl", "-sS", "-X", method, address, "-H", "content-type: application/json", "-d", body]
    answered = subprocess.run(request, check=True, capture_output=True, timeout=60).stdout
    found: dict[str, object] = msgspec.json.decode(answered)
    return found
