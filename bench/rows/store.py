"""Rows about one file and several processes: an owner with four webs beside one process, and a call over its socket."""

import contextlib
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
from msgspec import structs

from bench.counters import audit, make_counters
from bench.duel import Effort, drive
from bench.load import Answers, Job
from bench.result import Result, Series
from bench.serve import NotThere, Server
from bench.store_call import Call
from bench.targets import OURS, ROOT, Target

__all__ = ["store_call", "store_hot", "store_spread"]

COUNTERS = 1_000
CALLERS = 32
"""Of all processes together, so that every series answers the same crowd."""
WEBS = 4

ALONE = structs.replace(OURS, name="ours, 1 process", pinned=False)
WEB = Target("web", (*OURS.command, "--topology", "store", "--process", "web"), pinned=False)
OWNER = Target(
    "store",
    (OURS.command[0], "run", "--health-port", "{port}", "--data", "{data}", "--topology", "store", "--process", "store"),
    pinned=False,
)


def store_spread(effort: Effort) -> Result:
    """Increments over many counters. All processes share this machine's cores with their load, so it shows what sharing costs."""
    return _row(Result("store_spread", "one SQLite file: 1 000 counters, 32 callers in all", "req/s"), effort, COUNTERS)


def store_hot(effort: Effort) -> Result:
    """Increments of one counter: turns that cross the socket."""
    return _row(Result("store_hot", "one SQLite file: one counter, 32 callers in all", "req/s"), effort, 1)


def _row(result: Result, effort: Effort, counters: int) -> Result:
    fields: list[tuple[str, Target | None, list[Target]]] = [
        ("ours, 1 process", None, [ALONE]),
        ("ours, store and 4 webs", OWNER, [WEB] * WEBS),
        ("ours, 4 processes that share the file", None, [ALONE] * WEBS),
    ]
    for name, owner, webs in fields:
        try:
            result.series.append(_measure(result, name, (owner, webs), counters, effort))
        except NotThere as missing:
            result.series.append(Series(name, missing=str(missing)))
    return result


def _measure(result: Result, name: str, processes: tuple[Target | None, list[Target]], counters: int, effort: Effort) -> Series:
    series = Series(name)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=effort.data)))
        owner, webs = processes
        if owner is not None:
            stack.enter_context(Server(owner, folder))
        servers = [stack.enter_context(Server(web, folder)) for web in webs]
        ids = make_counters(servers[0], counters)
        runs: list[Answers] = []
        pool = stack.enter_context(ThreadPoolExecutor(len(servers)))
        for _ in range(effort.rounds):
            each = CALLERS // len(servers)
            jobs = [Job(port=one.port, kind="increment", ids=ids, seconds=effort.seconds, callers=each) for one in servers]
            answers = list(pool.map(drive, jobs))
            series.values.append(sum(one.per_second for one in answers))
            runs += answers
        if refused := [one.refused for one in runs if one.refused]:
            result.void.append(f"{name}: not all answers were 2xx: {refused[0]}")
        if wrong := audit(servers[0], "increment", ids, runs):
            result.void.append(f"{name}: {wrong}")
    return series


def store_call(effort: Effort) -> Result:
    """One caller, one call after the other: a question over the socket that asks nothing, a unit there, a unit in one process."""
    result = Result("store_call", "a call over the store's socket, one caller", "us, p50")
    tails: dict[str, Series] = {}
    for _ in range(effort.rounds):
        with tempfile.TemporaryDirectory(dir=effort.data) as folder:
            command = [sys.executable, "-m", "bench.store_call", folder, str(effort.seconds)]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
        for call in msgspec.json.decode(done.stdout, type=list[Call]):
            for name, value in ((f"{call.name}, p50", call.p50_us), (f"{call.name}, p99", call.p99_us)):
                if name not in tails:
                    tails[name] = Series(name)
                    result.series.append(tails[name])
                tails[name].values.append(value)
    return result
