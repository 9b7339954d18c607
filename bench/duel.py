"""A throughput row: all contestants up at once, measured in turn, so that the machine's moods hit all alike."""

import contextlib
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec
from msgspec import Struct

from bench.counters import audit, make_counters
from bench.load import Answers, Job
from bench.mix import Kind
from bench.result import GENERATOR_BUSY_MAX, LATE_SHARE_MAX, Result, Series
from bench.serve import NotThere, Server, pinned
from bench.targets import LIMIT, ROOT, Target

__all__ = ["Contestant", "Effort", "drive", "duel"]


class Effort(Struct, frozen=True):
    """How long to measure, and where data folders are made."""

    rounds: int = 5
    seconds: float = 1.0
    data: str | None = None


class Contestant:
    """A server, the ids it gave to its counters, and all runs made against it."""

    def __init__(self, server: Server, kind: Kind, ids: list[str], callers: int) -> None:
        self.server, self.kind, self.ids, self.callers = server, kind, ids, callers
        self.runs: list[Answers] = []
        self.cpu_us: list[float] = []

    def measure(self, seconds: float, rate: float | None = None) -> Answers:
        self.server.settle()
        before = self.server.cpu_seconds()
        job = Job(port=self.server.port, kind=self.kind, ids=self.ids, callers=self.callers, seconds=seconds, rate=rate)
        answers = drive(job)
        self.cpu_us.append((self.server.cpu_seconds() - before) / max(answers.sent, 1) * 1e6)
        self.runs.append(answers)
        # What is left to do (numbering, read models) is not for the next one to pay.
        self.server.settle()
        return answers


def duel(result: Result, targets: list[Target], effort: Effort, *, kind: Kind, counters: int = 0, callers: int = 32) -> Result:
    """Fill `result`: ceilings by rounds, then latency at half the contestant's own ceiling, then the audit."""
    with contextlib.ExitStack() as stack:
        field: dict[str, Contestant] = {}
        for target in targets:
            try:
                server = stack.enter_context(Server(target, _folder(stack, effort)))
                if target.beside is not None:
                    stack.enter_context(Server(target.beside, _folder(stack, effort)))
                ids = make_counters(server, counters, stock=kind == "transfer")
                _refuse_strangers(server, kind)
            except NotThere as missing:
                result.series.append(Series(target.name, missing=str(missing)))
                continue
            field[target.name] = Contestant(server, kind, ids, callers)
        _rounds(result, field, effort)
        for name, one in field.items():
            _latency(result, name, one, effort)
            if wrong := audit(one.server, kind, one.ids, one.runs):
                result.void.append(f"{name}: {wrong}")
    return result


def _folder(stack: contextlib.ExitStack, effort: Effort) -> Path:
    return Path(stack.enter_context(tempfile.TemporaryDirectory(dir=effort.data)))


def drive(job: Job) -> Answers:
    """Run the generator as its own process on the load core."""
    with pinned(-1):
        done = subprocess.run(
            [sys.executable, "-m", "bench.load"], cwd=ROOT, input=msgspec.json.encode(job), capture_output=True, check=True
        )
    return msgspec.json.decode(done.stdout, type=Answers)


def _refuse_strangers(server: Server, kind: Kind) -> None:
    if kind == "post":
        form = {"name": "n", "kind": "goods", "quantity": 1, "price": 1.0, "at": "2026-03-01T10:00:00Z"}
        status, _ = server.call("POST", "/v1/echo", form)
        if status != 200:
            raise NotThere(f"POST /v1/echo answered {status}")


def _rounds(result: Result, field: dict[str, Contestant], effort: Effort) -> None:
    lanes = {name: Series(name) for name in field}
    if LIMIT.name in field:
        lanes[f"{LIMIT.name} again"] = Series(f"{LIMIT.name} again")
    for _ in range(effort.rounds):
        for name, series in lanes.items():
            answers = field[name.removesuffix(" again")].measure(effort.seconds)
            series.values.append(answers.per_second)
            _look_at(result, name, answers)
    for name, series in lanes.items():
        costs = field[name.removesuffix(" again")].cpu_us
        series.cpu_us = sorted(costs)[len(costs) // 2]
    result.series += lanes.values()


def _latency(result: Result, name: str, one: Contestant, effort: Effort) -> None:
    series = result.of(name)
    if series is None or series.median < 2:
        return
    series.at_rate = series.median / 2
    answers = one.measure(effort.seconds, series.at_rate)
    if answers.late_share > LATE_SHARE_MAX:
        result.notes.append(f"{name}: no latency, the generator was late for {answers.late_share:.1%} of its sends")
    else:
        series.p50_ms, series.p99_ms = answers.p50_ms, answers.p99_ms
    _look_at(result, name, answers, closed=False)


def _look_at(result: Result, name: str, answers: Answers, *, closed: bool = True) -> None:
    if answers.refused:
        result.void.append(f"{name}: not all answers were 2xx: {answers.refused}")
    if closed and answers.busy_share > GENERATOR_BUSY_MAX:
        result.notes.append(f"{name}: the generator was {answers.busy_share:.0%} busy and may be the ceiling")
