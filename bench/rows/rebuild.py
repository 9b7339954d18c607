"""Rebuilding projections from the log: `armature replay` against a hand-written loop over as many events."""

import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec
from msgspec import Struct

from bench.counters import make_counters
from bench.duel import Effort, drive
from bench.load import Job
from bench.result import Result, Series, judge
from bench.serve import NotThere, Server, pinned
from bench.targets import ROOT, SAME

__all__ = ["rebuild"]

EVENTS = 50_000
COUNTERS = 1_000


class Loop(Struct):
    events: int
    seconds: float


def rebuild(effort: Effort) -> Result:
    result = Result("rebuild", f"projections from a log of {EVENTS:,} events", "events/s")
    ours, limit, again = Series("ours"), Series("limit"), Series("limit again")
    result.series = [ours, limit, again]
    with tempfile.TemporaryDirectory(dir=effort.data) as data, tempfile.TemporaryDirectory(dir=effort.data) as plain:
        try:
            _fill(Path(data))
        except NotThere as missing:
            ours.missing = str(missing)
        _loop(Path(plain))
        for _ in range(effort.rounds):
            if not ours.missing:
                try:
                    ours.values.append(_replay(Path(data)))
                except NotThere as missing:
                    ours.missing = str(missing)
            limit.values.append(_loop(Path(plain)))
            again.values.append(_loop(Path(plain)))
    judge(result, of_limit=0.5)
    result.notes.append("both read models, a pass over the log each; events/s over both passes")
    return result


def _fill(folder: Path) -> None:
    """Write the log through the public routes."""
    with Server(SAME, folder) as server:
        ids = make_counters(server, COUNTERS)
        answers = drive(Job(server.port, "increment", ids, warmup_seconds=0.0, requests=EVENTS))
        server.settle()
        if answers.refused:
            raise NotThere(f"filling the log was refused: {answers.refused}")


def _replay(folder: Path) -> float:
    return _told("bench.replay", str(folder))


def _loop(folder: Path) -> float:
    return _told("bench.limits.rebuild", str(folder), str(EVENTS))


def _told(module: str, *arguments: str) -> float:
    """Run a rebuild in a process of its own and return the events it folded a second, each read model in its own pass."""
    with pinned(0):
        done = subprocess.run([sys.executable, "-m", module, *arguments], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        words = done.stderr.strip().splitlines()
        raise NotThere(f"{module}: {words[-1][:120] if words else 'failed without a word'}")
    told = msgspec.json.decode(done.stdout, type=Loop)
    return told.events / told.seconds
