"""What is too long for every change, for as long as there is: `make soak SECONDS=3600 SEED=1 SIZE=1 ONLY=`.

A plan without an end: stretches of schedules of each model in virtual time, drills with other seeds, the invariants and the
proof at larger figures, a promotion of a million rows, and clients whose network is dead. `SIZE` multiplies the figures of all
of it (`SIZE=10`: ten times the schedules, the steps, the seconds of a drill, the rows), `ONLY=drill` leaves the rest out. What
has ended well is written down and not repeated, so a soak that was stopped goes on where it was; what has failed is tried
again. A failure names its seed and the command that shows it alone.
"""

import argparse
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import IO, NamedTuple

import msgspec
from msgspec import Struct

__all__ = ["Ended", "Task", "main", "plan"]

ROOT = Path(__file__).parents[1]
DONE = ROOT / "data" / "soak" / "done.jsonl"
ARMATURE = "from armature.cli.main import main; main()"
TOPOLOGIES = ("fleet", "fleet-redis", "single-postgres", "single")

# At size 1, about a minute each on two quiet cores.
SCHEDULES = 20_000
FIGURES = {"SOAK_STEPS": 50_000, "SOAK_KEYS": 10_000, "SOAK_EVENTS": 200_000}
DRILL_SECONDS = 120
COMMANDS = 20_000
ROWS = 1_000_000
_TAIL_LINES = 25
_ROUND_MAX = 200
"""More tasks than a round has."""


class Task(NamedTuple):
    """One stretch of work; its name holds its seeds and is never another's."""

    name: str
    words: tuple[str, ...]
    environ: Mapping[str, str] = {}

    @property
    def alone(self) -> str:
        """The command as a person would type it."""
        return " ".join([*(f"{name}={value}" for name, value in self.environ.items()), shlex.join(self.words)])


class Ended(Struct, frozen=True):
    """A line of the file: a task that ran to its end."""

    task: str
    ok: bool
    seconds: float
    said: str = ""
    """Of one that failed: the line that names the seed, or its last one."""


Plan = Callable[[int], Iterator[Task]]


def plan(seed: int, size: float = 1.0) -> Iterator[Task]:
    """Yield tasks for ever, the same for the same seed and size: a round of everything, then the next."""

    def sized(figure: int) -> int:
        return max(1, round(figure * size))

    schedules, mark = sized(SCHEDULES), "" if size == 1 else f" x{size:g}"
    figures = {name: str(sized(figure)) for name, figure in FIGURES.items()}
    models = sorted(file for file in (ROOT / "tests" / "simulation").glob("test_*.py") if file.stem != "test_worlds")
    for turn in count():
        first = (seed * 1_000_000 + turn) * schedules
        for file in models:
            words = _pytest(f"tests/simulation/{file.name}")
            seeds = {"SOAK_FIRST": str(first), "SOAK_SEEDS": str(schedules)}
            yield Task(f"{file.stem.removeprefix('test_')} {first}..{first + schedules - 1}", words, seeds)
        other = seed * 1_000 + turn
        topology = TOPOLOGIES[turn % len(TOPOLOGIES)]
        seconds = str(sized(DRILL_SECONDS))
        words = _armature("drill", "--topology", topology, "--seconds", seconds, "--seed", str(other))
        yield Task(f"drill {topology} {other}{mark}", words)
        properties = (sys.executable, "-m", "pytest", "-m", "not slow", "-x", "--tb=short", f"--hypothesis-seed={other}", "tests")
        yield Task(f"properties {other}", properties)
        yield Task(f"invariants {other}{mark}", _pytest("tests/invariants"), {**figures, "SOAK_SEED": str(other)})
        every = [word for one in TOPOLOGIES for word in ("--topology", one)]
        proof = _armature("prove", *every, "--commands", str(sized(COMMANDS)), "--seed", str(other))
        yield Task(f"prove {other}{mark}", proof)
        if turn == 0:
            yield Task(f"promote {other}{mark}", (sys.executable, "-m", "tests.moving.soak", str(sized(ROWS))))
            yield Task(f"network {other}", (sys.executable, "-m", "tests.faults.dead_network"))


def main(words: list[str] | None = None, other: Plan | None = None) -> int:
    """Run until the time is over; 1 when anything failed. `other` is another plan."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3_600.0, help="how long, all together")
    parser.add_argument("--seed", type=int, default=1, help="another seed is another plan")
    parser.add_argument("--size", type=_size, default=1.0, help="every figure is multiplied by it; 0.01 tries everything")
    parser.add_argument("--done", type=Path, default=DONE, help="the file in which ended tasks are written down")
    parser.add_argument("--only", default="", help="run the tasks whose name begins with this")
    given = parser.parse_args(words)
    given.done.parent.mkdir(parents=True, exist_ok=True)
    before = {one.task for one in _read(given.done) if one.ok}
    made = other(given.seed) if other is not None else plan(given.seed, given.size)
    tasks = (task for task in _only(made, given.only) if task.name not in before)
    ended: list[Ended] = []
    until = time.monotonic() + given.seconds
    with given.done.open("ab") as file:
        for task in tasks:
            if (one := _run(task, until)) is None:
                print(f"the time is over in the middle of {task.name}; it is begun anew next time", flush=True)
                break
            ended.append(one)
            _keep(file, one)
            if time.monotonic() >= until:
                break
    failed = [one for one in ended if not one.ok]
    print(f"{len(ended) - len(failed)} passed, {len(failed)} failed, {len(before)} were done before; seed {given.seed}")
    for one in failed:
        print(f"FAILED {one.task}: {one.said}")
    return 1 if failed else 0


def _only(made: Iterator[Task], beginning: str) -> Iterator[Task]:
    """Yield the tasks whose name begins so; what comes no more in a whole round is at its end."""
    strange = 0
    for task in made:
        if task.name.startswith(beginning):
            strange = 0
            yield task
        elif (strange := strange + 1) > _ROUND_MAX:
            return


def _size(text: str) -> float:
    size = float(text)
    if not 0 < size < float("inf"):
        raise argparse.ArgumentTypeError("it must be above 0")
    return size


def _run(task: Task, until: float) -> Ended | None:
    """Run a task with its children; None when the time was over before its end."""
    print(f"--- {task.name}", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryFile("w+b") as output:
        process = subprocess.Popen(
            task.words,
            cwd=ROOT,
            env={**os.environ, **task.environ},
            stdout=output,
            stderr=output,
            start_new_session=True,
            # Who runs us in the background may be deaf to it, and `_end` asks by it.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        try:
            code = process.wait(max(0.0, until - began))
        except subprocess.TimeoutExpired:
            return None
        finally:
            _end(process)
        output.seek(0)
        lines = output.read().decode(errors="replace").splitlines()
    seconds = time.monotonic() - began
    print(f"--- {task.name}: {'ok' if code == 0 else 'FAILED'} after {seconds:.1f} s", flush=True)
    if code == 0:
        return Ended(task.name, True, seconds)
    print(*lines[-_TAIL_LINES:], f"alone: {task.alone}", sep="\n", flush=True)
    said = [line.strip() for line in lines if "seed " in line and "again:" in line] or lines[-1:] or [f"exit code {code}"]
    return Ended(task.name, False, seconds, said[0])


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask first, so that it can end the servers it started; then end what is left of its session."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _keep(file: IO[bytes], one: Ended) -> None:
    file.write(msgspec.json.encode(one) + b"\n")
    file.flush()
    os.fsync(file.fileno())


def _read(file: Path) -> list[Ended]:
    """Read what ended; the last line may be half a line after a kill."""
    if not file.exists():
        return []
    text = file.read_bytes()
    return [msgspec.json.decode(line, type=Ended) for line in text[: text.rfind(b"\n") + 1].splitlines()]


def _pytest(where: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "pytest", "-m", "slow", "-x", "--tb=short", where)


def _armature(*words: str) -> tuple[str, ...]:
    return (sys.executable, "-c", ARMATURE, *words)


if __name__ == "__main__":
    sys.exit(main())
