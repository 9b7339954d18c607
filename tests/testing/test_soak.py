"""The soak runner: it ends in time, goes on where it was, tries again what failed, and names the seed."""

import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import msgspec
import pytest

from tests.soak import ROOT, Ended, Task, main, plan

NOTE = "seed 7; again: ONE_SEED=7 python -m pytest tests/simulation/test_relay.py"


def word(text: str, code: int = 0) -> tuple[str, ...]:
    return (sys.executable, "-c", f"print({text!r}); raise SystemExit({code})")


def written(file: Path) -> list[Ended]:
    return [msgspec.json.decode(line, type=Ended) for line in file.read_bytes().splitlines()]


def test_what_ended_well_is_not_repeated_and_what_failed_is_tried_again_with_its_seed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cured: list[str] = []

    def short(seed: int) -> Iterator[Task]:
        yield Task(f"a {seed}", word("fine"))
        yield Task(f"b {seed}", word("fine") if cured else word(NOTE, 1))
        yield Task(f"c {seed}", word("fine"))

    file = tmp_path / "done.jsonl"
    words = ["--seconds", "60", "--seed", "3", "--done", str(file)]
    assert main(words, short) == 1
    assert [(one.task, one.ok) for one in written(file)] == [("a 3", True), ("b 3", False), ("c 3", True)]
    said = capsys.readouterr().out
    assert f"FAILED b 3: {NOTE}" in said and "2 passed, 1 failed, 0 were done before; seed 3" in said
    with file.open("ab") as torn:
        torn.write(b'{"task":"c')
    file.write_bytes(file.read_bytes().rpartition(b"\n")[0] + b"\n")
    cured.append("b")
    assert main(words, short) == 0
    assert "1 passed, 0 failed, 2 were done before" in capsys.readouterr().out
    assert main(words, short) == 0, "nothing is left of a plan that ends"
    assert [one.task for one in written(file)] == ["a 3", "b 3", "c 3", "b 3"]


def test_when_the_time_is_over_the_task_in_hand_is_ended_and_not_written_down(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def endless(seed: int) -> Iterator[Task]:
        while True:
            yield Task("endless", (sys.executable, "-c", "import time; time.sleep(600)"))

    file = tmp_path / "done.jsonl"
    assert main(["--seconds", "0.3", "--done", str(file)], endless) == 0
    assert file.read_bytes() == b"" and "in the middle of endless" in capsys.readouterr().out


def test_a_file_that_ends_in_half_a_line_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    file = tmp_path / "done.jsonl"
    file.write_bytes(msgspec.json.encode(Ended("a", True, 1.0)) + b'\n{"task":"b')

    def two(seed: int) -> Iterator[Task]:
        yield from (Task(name, word("fine", 1 if name == "a" else 0)) for name in "ab")

    assert main(["--seconds", "60", "--done", str(file)], two) == 0, "a was done before and is not run"


def test_the_plan_is_the_same_for_a_seed_and_never_repeats_itself() -> None:
    tasks = list(islice(plan(1), 60))
    assert [one.name for one in islice(plan(1), 60)] == [one.name for one in tasks]
    assert len({one.name for one in tasks}) == 60
    assert not {one.name for one in tasks} & {one.name for one in islice(plan(2), 60)}
    kinds = {one.name.partition(" ")[0] for one in tasks}
    models = {file.stem.removeprefix("test_") for file in (ROOT / "tests" / "simulation").glob("test_*.py")} - {"worlds"}
    assert kinds == models | {"drill", "invariants", "prove", "promote", "properties", "network"}


def course(size: float) -> Task:
    return next(one for one in islice(plan(1, size), 60) if "tests.moving.soak" in one.words)


def test_the_size_multiplies_every_figure_and_is_work_of_its_own() -> None:
    for size, schedules, seconds, steps, commands, rows in (
        (1.0, 20_000, 120, 50_000, 20_000, 1_000_000),
        (10.0, 200_000, 1_200, 500_000, 200_000, 10_000_000),
        (0.001, 20, 1, 50, 20, 1_000),
    ):
        tasks = {one.name.partition(" ")[0]: one for one in reversed(list(islice(plan(1, size), 60)))}
        assert tasks["relay"].environ["SOAK_SEEDS"] == str(schedules)
        assert tasks["drill"].words[-3:-1] == (str(seconds), "--seed")
        assert tasks["invariants"].environ["SOAK_STEPS"] == str(steps)
        assert tasks["prove"].words[-3:-1] == (str(commands), "--seed")
        assert course(size).words[-1] == str(rows)
    ordinary, larger = ({one.name for one in islice(plan(1, size), 60)} for size in (1.0, 10.0))
    assert {name.partition(" ")[0] for name in ordinary & larger} == {"properties", "network"}, "what has no figures"


def test_the_size_comes_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--size", "0.5", "--only", "drill", "--seconds", "0", "--done", str(tmp_path / "done.jsonl")]
    assert main(words) == 0
    assert "in the middle of drill fleet 1000 x0.5;" in capsys.readouterr().out
    done = tmp_path / "nothing.jsonl"
    assert main(["--only", "nothing of that name", "--done", str(done)]) == 0, "and it ends where nothing is left of its kind"
    with pytest.raises(SystemExit):
        main(["--size", "0", "--done", str(tmp_path / "done.jsonl")])


@pytest.mark.slow
def test_a_model_runs_the_schedules_it_was_given_and_a_failing_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lease(seed: int) -> Iterator[Task]:
        task = next(one for one in plan(seed) if one.name.startswith("lease"))
        yield Task("lease 100..119", task.words, {**task.environ, "SOAK_FIRST": "100", "SOAK_SEEDS": "20"})

    file, other = tmp_path / "done.jsonl", tmp_path / "other.jsonl"
    assert main(["--seconds", "240", "--done", str(file)], lease) == 0
    assert [(one.task, one.ok) for one in written(file)] == [("lease 100..119", True)]
    # A lease that nobody takes any more: the schedule that shows it must be named.
    (tmp_path / "sitecustomize.py").write_text(
        "from armature.engine.lease_core import LeaseCore\nLeaseCore.decide = lambda self, row: 'wait'\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert main(["--seconds", "240", "--done", str(other)], lease) == 1
    (failed,) = written(other)
    assert not failed.ok and "seed " in failed.said and "again:" in failed.said
