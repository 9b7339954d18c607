"""Every named place is passed by the code, and killed at by a test: a name nobody dies at proves nothing.

The tests are asked for through pytest's own collection, so a place counts only where a test is really run for it; each of
them asserts that the process died there.
"""

import ast
import subprocess
import sys
from pathlib import Path

from armature.engine.crash import CRASH_POINTS

ROOT = Path(__file__).parents[2]
WHERE_PROCESSES_DIE = ("tests/faults", "tests/projections", "tests/migrations", "tests/moving")


def passed(folder: Path) -> set[str]:
    """Return the names in calls of `crashpoint`."""
    names: set[str] = set()
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "crashpoint":
                (place,) = node.args
                assert isinstance(place, ast.Constant), f"{file}: a place is named by a literal, so that it can be found"
                names.add(str(place.value))
    return names


def undied(test_ids: str) -> set[str]:
    """Return the places that stand in no test's id."""
    return {name for name in CRASH_POINTS if f"[{name}]" not in test_ids and f"[{name}:" not in test_ids}


def test_each_place_of_the_code_has_a_name_and_each_name_a_place() -> None:
    assert passed(ROOT / "src") == CRASH_POINTS


def test_some_test_dies_at_every_place() -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--collect-only",
        "-q",
        "-o",
        "addopts=",
        "-p",
        "no:cacheprovider",
        *WHERE_PROCESSES_DIE,
    ]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert told.returncode == 0, told.stdout[-2_000:]
    missing = undied(told.stdout)
    assert not missing, f"no test kills at {sorted(missing)}; name the place in the parameters of one"


def test_a_place_without_a_test_would_be_found() -> None:
    everywhere = " ".join(f"test_x[{name}]" for name in CRASH_POINTS)
    assert undied(everywhere) == set()
    assert undied(everywhere.replace("[commit.begun]", "")) == {"commit.begun"}
