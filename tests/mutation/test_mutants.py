"""The gate: all guards are green on the source as it is, and each is red on its own defect, in its own words.

Takes about a minute; each defect costs one run of one test.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .delivery import DELIVERY
from .limits import LIMITS
from .moving import MOVING
from .mutants import MUTANTS, Edit, Mutant
from .neighbours import NEIGHBOURS
from .promises import PROMISES

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow
ALL = (*MUTANTS, *DELIVERY, *LIMITS, *MOVING, *NEIGHBOURS, *PROMISES)
SEEDS = "600"
"""Schedules of a simulated world that are enough to find each of these defects; all of them run in tests/simulation."""
PLUGINS = ("-p", "no:cacheprovider", "-p", "armature.testing.plugin")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the source that may be spoiled."""
    copy = tmp_path_factory.mktemp("mutation") / "src"
    shutil.copytree(ROOT / "src", copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def run(source: Path, *tests: str) -> tuple[int, str]:
    """Run tests against a copy of the source; return the exit code and what was printed."""
    # Without byte code: a file changed twice within a second would be taken for unchanged.
    environ = {**os.environ, "PYTHONPATH": str(source), "PYTHONDONTWRITEBYTECODE": "1", "SOAK_SEEDS": SEEDS}
    command = [sys.executable, "-m", "pytest", "-x", "-vv", "-o", "addopts=", *PLUGINS, *tests]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=600, check=False)
    return done.returncode, done.stdout + done.stderr


def reason(told: str) -> str:
    """Return the lines in which pytest says why: the failing line and the error."""
    return "\n".join(line for line in told.splitlines() if line.startswith((">", "E ")))


def edited(source: Path, edit: Edit) -> str:
    """Return the file's text with the defect in it."""
    text = (source / "armature" / edit.file).read_text()
    assert text.count(edit.old) >= 1, f"{edit.file} has changed: {edit.old!r} is gone; sow the defect anew"
    assert text.count(edit.old) == 1 or edit.old.startswith("from "), f"{edit.file}: {edit.old!r} stands there more than once"
    return text.replace(edit.old, edit.new, 1)


def test_without_a_defect_every_guard_is_green(source: Path) -> None:
    code, told = run(source, *dict.fromkeys(mutant.test for mutant in ALL))
    assert code == 0, told[-3_000:]
    shown = subprocess.run(
        [sys.executable, "-c", "import armature; print(armature.__file__)"],
        env={**os.environ, "PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.startswith(str(source)), "the tests did not run on the copy"


@pytest.mark.parametrize("mutant", ALL, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_each_defect_is_seen_by_its_guard(source: Path, mutant: Mutant) -> None:
    files = {source / "armature" / edit.file for edit in mutant.edits}
    before = {file: file.read_text() for file in files}
    try:
        for edit in mutant.edits:
            (source / "armature" / edit.file).write_text(edited(source, edit))
        code, told = run(source, mutant.test)
    finally:
        for file, text in before.items():
            file.write_text(text)
    assert code == 1, f"nobody noticed that {mutant.name}: pytest ended with {code}\n{told[-3_000:]}"
    assert mutant.words in reason(told), f"red, but not because {mutant.name}:\n{told[-4_000:]}"
