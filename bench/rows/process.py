"""What the process itself costs: from start to ready, and memory while idle and under load."""

import tempfile
from pathlib import Path

from bench.counters import make_counters
from bench.duel import Contestant, Effort
from bench.result import Claim, Result, Series
from bench.serve import NotThere, Server
from bench.targets import LIMIT, OURS, PEER, Target

__all__ = ["memory", "start"]

READY_MS_MAX = 2_000
LOADED_COUNTERS = 100


def start(effort: Effort) -> Result:
    """Time from spawn to the first 200 of /readyz: in an empty folder (tables are made), then again in the same one."""
    result = Result("start", "from start to ready", "ms")
    firsts = {target.name: Series(f"{target.name} first") for target in (OURS, PEER, LIMIT)}
    seconds = {name: Series(f"{name} again") for name in firsts}
    for _ in range(effort.rounds):
        for target in (OURS, PEER, LIMIT):
            _start_twice(target, firsts[target.name], seconds[target.name], effort)
    result.series = [series for name in firsts for series in (firsts[name], seconds[name]) if series.values or series.missing]
    if ours := result.of("ours first"):
        result.claims.append(Claim("ms to ready in an empty folder", READY_MS_MAX, ours.median, at_most=True))
    return result


def memory(effort: Effort) -> Result:
    """Resident memory after start and after increments and reads by 32 callers."""
    result = Result("memory", "resident memory, idle and loaded", "MiB")
    for target in (OURS, PEER, LIMIT):
        idle, loaded = Series(f"{target.name} idle"), Series(f"{target.name} loaded")
        result.series += [idle, loaded]
        with tempfile.TemporaryDirectory(dir=effort.data) as folder:
            try:
                _weigh(Path(folder), target, idle, loaded, effort)
            except NotThere as missing:
                idle.missing = loaded.missing = str(missing)
    return result


def _start_twice(target: Target, first: Series, again: Series, effort: Effort) -> None:
    with tempfile.TemporaryDirectory(dir=effort.data) as folder:
        try:
            for series in (first, again):
                with Server(target, Path(folder)) as server:
                    series.values.append(server.ready_seconds * 1_000)
        except NotThere as missing:
            first.missing = str(missing)


def _weigh(folder: Path, target: Target, idle: Series, loaded: Series, effort: Effort) -> None:
    with Server(target, folder) as server:
        server.settle()
        idle.values.append(server.memory_mib())
        ids = make_counters(server, LOADED_COUNTERS)
        for kind in ("increment", "read"):
            Contestant(server, kind, ids, callers=32).measure(effort.seconds)
            loaded.values.append(server.memory_mib())
