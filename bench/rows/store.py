"""Rows about one file and several processes: an owner with four webs beside one process. A call over its socket: `wires`."""

import contextlib
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from msgspec import structs

from bench.counters import audit, make_counters
from bench.duel import Effort, drive
from bench.load import Answers, Job
from bench.result import Result, Series
from bench.serve import NotThere, Server
from bench.targets import OURS, Target
from bench.targets_links import OWNER, WEB

__all__ = ["store_hot", "store_spread"]

COUNTERS = 1_000
CALLERS = 32
"""Of all processes together, so that every series answers the same crowd."""
WEBS = 4

ALONE = structs.replace(OURS, name="ours, 1 process", pinned=False)
LOOSE_OWNER, LOOSE_WEB = (structs.replace(one, pinned=False) for one in (OWNER, WEB))


def store_spread(effort: Effort) -> Result:
    """Increments over many counters. All processes share this machine's cores with their load, so it shows what sharing costs."""
    return _row(Result("store_spread", "one SQLite file: 1 000 counters, 32 callers in all", "req/s"), effort, COUNTERS)


def store_hot(effort: Effort) -> Result:
    """Increments of one counter: turns that cross the socket."""
    return _row(Result("store_hot", "one SQLite file: one counter, 32 callers in all", "req/s"), effort, 1)


def _row(result: Result, effort: Effort, counters: int) -> Result:
    fields: list[tuple[str, Target | None, list[Target]]] = [
        ("ours, 1 process", None, [ALONE]),
        ("ours, store and 4 webs", LOOSE_OWNER, [LOOSE_WEB] * WEBS),
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
