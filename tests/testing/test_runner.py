"""The runner says no: to a failed step, to a run without tests, to a skipped one, and to a layer that tests do not reach."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import coverage, run


def result(folder: Path, *, total: int, failures: int = 0, errors: int = 0, skipped: int = 0) -> Path:
    path = folder / "result.xml"
    counts = f'tests="{total}" failures="{failures}" errors="{errors}" skipped="{skipped}"'
    path.write_text(f"<testsuites><testsuite {counts}/></testsuites>")
    return path


def test_a_run_that_passed_is_counted(tmp_path: Path) -> None:
    assert run.counted(result(tmp_path, total=7), 0) == run.Outcome("", 7, 0)


@pytest.mark.parametrize(
    ("counts", "code", "words", "failed"),
    [
        ({"total": 7, "failures": 2, "errors": 1}, 1, "3 tests failed", 3),
        ({"total": 0}, 5, "no tests were collected", 0),
        ({"total": 0}, 0, "no tests were collected", 0),
        ({"total": 7, "skipped": 1}, 0, "1 tests were skipped", 0),
        ({"total": 7}, 3, "pytest ended with 3", 0),
    ],
)
def test_a_run_that_did_not_pass_fails(tmp_path: Path, counts: dict[str, int], code: int, words: str, failed: int) -> None:
    outcome = run.counted(result(tmp_path, **counts), code)
    assert words in outcome.failure
    assert outcome.failed == failed


def test_a_run_that_left_nothing_is_one_failure(tmp_path: Path) -> None:
    assert run.counted(tmp_path / "none.xml", -9) == run.Outcome("pytest ended with -9 and left no result", 0, 1)


def trial(folder: Path, body: str) -> run.Outcome:
    """Run the step over one file with two tests, of which `body` is one."""
    (folder / "test_it.py").write_text(f"from pathlib import Path\ndef test_a():\n    {body}\ndef test_b():\n    pass\n")
    step = run.tests("fast tests", "not slow", folder, root=folder)
    return step.run()


@pytest.mark.slow
def test_a_test_that_passes_alone_is_told_as_unsteady(tmp_path: Path) -> None:
    outcome = trial(tmp_path, "seen = Path('seen').exists(); Path('seen').touch(); assert seen")
    assert outcome == run.Outcome("", 2, 0, ("test_it::test_a",))
    assert run.report([(run.Step("fast tests", "", run.Outcome), outcome, 0.0)]) == 0


@pytest.mark.slow
def test_a_test_that_fails_twice_has_failed(tmp_path: Path) -> None:
    assert trial(tmp_path, "assert False") == run.Outcome("1 tests failed", 1, 1)


@pytest.mark.slow
def test_many_failures_are_not_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "AGAIN_MAX", 0)
    outcome = trial(tmp_path, "Path('seen').open('x').close(); assert False")
    assert outcome == run.Outcome("1 tests failed", 1, 1)


def test_an_unsteady_test_is_in_the_report(capsys: pytest.CaptureFixture[str]) -> None:
    step = run.Step("slow tests", "", run.Outcome)
    assert run.report([(step, run.Outcome("", 9, 0, ("tests.a::test_b",)), 1.0)]) == 0
    assert "UNSTEADY: failed first and passed alone: tests.a::test_b" in capsys.readouterr().out


def test_the_last_line_is_the_sum_and_a_failed_step_is_told_with_its_command(capsys: pytest.CaptureFixture[str]) -> None:
    good = run.Step("fast tests", "python -m pytest", lambda: run.Outcome("", 5, 0))
    bad = run.command("lint", sys.executable, "-c", "print('E501'); raise SystemExit(1)")
    assert run.report([(step, *run.timed(step)) for step in (bad, good)]) == 1
    said = capsys.readouterr().out
    assert "E501" in said
    assert "to run lint alone: " in said
    assert said.splitlines()[-1] == "5 passed, 0 failed"
    assert run.report([(good, *run.timed(good))]) == 0


def test_a_run_that_hangs_is_ended_with_its_children() -> None:
    hangs = "import threading; threading.Event().wait()"
    assert run.watched([sys.executable, "-c", hangs], {}, 1) == -signal.SIGKILL


def entry(lines: tuple[int, int], branches: tuple[int, int]) -> dict[str, dict[str, int]]:
    covered, total = lines
    taken, ways = branches
    counts = {"covered_lines": covered, "num_statements": total, "covered_branches": taken, "num_branches": ways}
    return {"summary": counts}


@pytest.mark.parametrize(
    ("lines", "branches", "enough"),
    [((10, 10), (9, 10), True), ((10, 10), (8, 10), False), ((8, 10), (0, 0), False), ((10, 10), (0, 0), True)],
)
def test_lines_and_branches_must_both_be_reached(lines: tuple[int, int], branches: tuple[int, int], enough: bool) -> None:
    files = {"modules/note/service.py": entry(lines, branches)}
    service = next(one for one in coverage.reach(files) if one.layer.name == "service")
    assert service.enough is enough


def test_a_gated_layer_that_was_not_measured_is_no_pass() -> None:
    assert [one.layer.name for one in coverage.reach({}) if not one.enough] == ["service", "repository", "edges"]


@pytest.mark.slow
def test_only_the_processes_of_tests_are_measured(tmp_path: Path) -> None:
    """A run of two processes, each of which starts another that must not be measured."""
    tree = tmp_path / "tree"
    (tree / "src").mkdir(parents=True)
    (tree / "modules").mkdir()
    (tree / "src" / "sums.py").write_text("def add(a, b):\n    if a:\n        return a + b\n    return b\n")
    (tree / "src" / "child.py").write_text("print('measured by nobody')\n")
    for number in (1, 2):
        (tree / f"test_{number}.py").write_text(
            "import subprocess, sys\nsys.path.insert(0, 'src')\nfrom sums import add\n"
            f"def test_it():\n    assert add({number - 1}, 1)\n"
            "    subprocess.run([sys.executable, 'src/child.py'], check=True)\n"
        )
    settings = coverage.configuration(tmp_path, tree)
    root = Path(run.__file__).parents[1]
    words = [sys.executable, "-m", "pytest", "-q", "-n", "2", "-p", "tests.measured", "-c", "/dev/null", "--rootdir=.", "."]
    environ = {"COVERAGE_PROCESS_START": str(settings), "PYTHONPATH": str(root), "PATH": ""}
    subprocess.run(words, cwd=tree, env=environ, check=True, capture_output=True, timeout=120)
    files = coverage.combine(tmp_path, tree)
    sums = files["src/sums.py"]["summary"]
    assert (sums["covered_branches"], sums["num_branches"]) == (2, 2)
    assert files["src/child.py"]["summary"]["covered_lines"] == 0
    assert json.loads((tmp_path / "coverage.json").read_text())["meta"]["branch_coverage"]
