"""Rebuilding projections from the log: `armature replay` against a hand-written loop over as many events."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
from msgspec import Struct

from bench.counters import make_counters
from bench.duel import Effort, drive
from bench.load import Job
from bench.result import Result, Series, judge
from bench.serve import NotThere, Server, pinned
from bench.targets import BIN, OURS, ROOT

__all__ = ["rebuild"]

EVENTS = 50_000
COUNTERS = 1_000
# The loop writes both tables in one pass; ours reads the log once for each, and both passes are in its time.
PROJECTIONS = ("counter.history", "counter.totals")


class Loop(Struct):
    events: int
    seconds: float


def rebuild(effort: Effort) -> Result:
    result = Result("rebuild", f"projections from a log of {EVENTS:,} events", "events/s")
    ours, limit, again = Series("ours"), Series("limit"), Series("limit again")
    result.series = [ours, limit, again]
    with tempfile.TemporaryDirectory(dir=effort.data) as data, tempfile.TemporaryDirectory(dir=effort.data) as plain:
        try:
            events = _fill(Path(data))
        except NotThere as missing:
            events, ours.missing = 0, str(missing)
        _loop(Path(plain))
        for _ in range(effort.rounds):
            if not ours.missing:
                try:
                    ours.values.append(events / _replay(Path(data)))
                except NotThere as missing:
                    ours.missing = str(missing)
            limit.values.append(_loop(Path(plain)))
            again.values.append(_loop(Path(plain)))
    judge(result, of_limit=0.5)
    result.notes.append("ours includes the start of `armature replay`; the limit does not")
    return result


def _fill(folder: Path) -> int:
    """Write the log through the public routes; return how many events it holds (a creation is one, too)."""
    with Server(OURS, folder) as server:
        ids = make_counters(server, COUNTERS)
        answers = drive(Job(server.port, "increment", ids, warmup_seconds=0.0, requests=EVENTS))
        server.settle()
        if answers.refused:
            raise NotThere(f"filling the log was refused: {answers.refused}")
        return answers.accepted + COUNTERS


def _replay(folder: Path) -> float:
    started = time.perf_counter()
    for projection in PROJECTIONS:
        with pinned(0):
            done = subprocess.run(
                [str(BIN / "armature"), "replay", projection, "--patience", "0", "--data", str(folder)],
                cwd=ROOT,
                capture_output=True,
                text=True,
            )
        if done.returncode:
            words = (done.stderr or done.stdout).strip().splitlines()
            raise NotThere(f"armature replay {projection}: {words[-1][:120] if words else 'failed without a word'}")
    return time.perf_counter() - started


def _loop(folder: Path) -> float:
    with pinned(0):
        done = subprocess.run(
            [sys.executable, "-m", "bench.limits.rebuild", str(folder), str(EVENTS)], cwd=ROOT, capture_output=True, check=True
        )
    told = msgspec.json.decode(done.stdout, type=Loop)
    return told.events / told.seconds
