"""The worlds themselves: a schedule that would go on for ever ends, and one that fails says how to see it again."""

import ast
import os
from pathlib import Path

import pytest

from armature.testing import simulation
from armature.testing.simulation import ONE_SEED, Endless, Process, Simulation, simulate

from .world import SEEDS, pause

MODELS = sorted(set(Path(__file__).parent.glob("test_*.py")) - {Path(__file__)})


def test_a_schedule_whose_time_stands_still_ends_with_its_seed() -> None:
    async def schedule(world: Simulation) -> None:
        while True:
            await pause(world, 0.0)

    with pytest.raises(Endless, match=r"time stands still at 0\.000 s") as found:
        simulate(schedule, [7])
    assert "seed 7;" in found.value.__notes__[0]


def test_a_schedule_that_has_no_end_ends_with_its_seed() -> None:
    async def schedule(world: Simulation) -> None:
        while True:
            await pause(world, 0.1)

    with pytest.raises(Endless, match="no end after 50000 steps"):
        simulate(schedule, [7])


def test_a_schedule_that_waits_for_nothing_ends_with_its_seed() -> None:
    async def schedule(world: Simulation) -> None:
        Process(world, "a").kill()
        await world.create_future()

    with pytest.raises(Endless, match="nothing can ever happen"):
        simulate(schedule, [7])


def test_a_step_that_never_returns_is_cut_off_whatever_it_catches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulation, "_PROCESSOR_SECONDS_MAX", 0.1)

    async def stuck() -> None:
        while True:
            try:
                while True:
                    pass
            except Exception:
                continue

    async def schedule(world: Simulation) -> None:
        Process(world, "a").run(stuck())
        await pause(world, 1.0)

    with pytest.raises(Endless, match="a step took 0.1 s of the processor") as found:
        simulate(schedule, [7])
    assert "seed 7;" in found.value.__notes__[0]


def test_a_failing_seed_is_printed_as_the_line_that_runs_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = []

    async def schedule(world: Simulation) -> None:
        ran.append(world.random.random())
        assert len(ran) != 4, "the fourth world is wrong"

    with pytest.raises(AssertionError, match="the fourth world is wrong") as found:
        simulate(schedule, range(2000))
    me = "tests/simulation/test_worlds.py::test_a_failing_seed_is_printed_as_the_line_that_runs_it_again"
    assert found.value.__notes__ == [f"seed 3; again: {ONE_SEED}=3 python -m pytest {me}; add it to the model's REGRESSIONS"]
    monkeypatch.setenv(ONE_SEED, "3")
    simulate(schedule, range(2000))
    assert ran[4:] == ran[3:4], "the seed is the whole schedule"


def test_every_model_runs_its_regressions_and_two_thousand_seeds() -> None:
    assert len(SEEDS) >= 2000 or "SOAK_SEEDS" in os.environ
    assert {file.stem.removeprefix("test_") for file in MODELS} >= {
        "relay", "sequencer", "lease", "consumer", "projector", "cache", "signal", "promote"
    }  # fmt: skip
    for file in MODELS:
        runs = [ast.unparse(node) for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
        assert "simulate(schedule, [*REGRESSIONS, *SEEDS])" in runs, f"{file.name}: no test runs all seeds and the regressions"
