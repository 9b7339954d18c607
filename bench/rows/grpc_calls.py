"""The row about the gRPC edge: what a call of it costs beside bare grpc.aio. Its latency is in the row `wires`."""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median

import msgspec
from msgspec import structs

from bench.closed import CALLERS, Told
from bench.counters import make_counters
from bench.duel import Effort
from bench.result import Result, Series, judge
from bench.serve import NotThere, Server, pinned
from bench.targets import ROOT, module

__all__ = ["BARE", "OURS", "grpc_calls", "told"]

# Both serve gRPC one port above HTTP.
OURS = module("ours", "bench.dual")
BARE = module("limit", "bench.limits.grpc_calls")
READING = structs.replace(BARE, command=(*BARE.command, "read"))
READS = "limit, with the read"
TOLD_SECONDS_MAX = 120


def grpc_calls(effort: Effort) -> Result:
    """Read one counter: 32 callers, calls a second."""
    result = Result("grpc_calls", "read one counter over gRPC", "calls/s")
    with contextlib.ExitStack() as stack:
        try:
            ours, bare, reading = (stack.enter_context(Server(one, _folder(stack, effort))) for one in (OURS, BARE, READING))
        except NotThere as missing:
            result.series.append(Series("ours", missing=str(missing)))
            return result
        (counter,) = make_counters(ours, 1)
        lanes = [("ours", ours), ("limit", bare), (READS, reading), ("limit again", bare)]
        _over_grpc(result, lanes, counter, effort)
    judge(result, of_limit=0.7)
    if (one := result.of("ours")) and (other := result.of(READS)):
        result.notes.append(f"of bare grpc.aio that reads the row and sends its tag: {one.median / other.median:.2f}")
    return result


def _over_grpc(result: Result, lanes: list[tuple[str, Server]], counter: str, effort: Effort) -> None:
    series = {name: Series(name) for name, _ in lanes}
    costs: dict[str, list[float]] = {name: [] for name, _ in lanes}
    for _ in range(effort.rounds):
        for name, server in lanes:
            server.settle()
            before = server.cpu_seconds()
            found = told("bench.grpc_load", str(server.port + 1), counter, str(CALLERS), str(effort.seconds))
            costs[name].append((server.cpu_seconds() - before) / found.calls * 1e6)
            series[name].values.append(found.per_second)
            if found.refused:
                result.void.append(f"{name}: {found.refused} calls were refused")
    for name, _ in lanes:
        series[name].cpu_us = median(costs[name])
    result.series += series.values()


def told(module: str, *arguments: str, environment: Mapping[str, str] | None = None) -> Told:
    """Run a load of the bench's own on the load core and return what it tells."""
    command, environ = [sys.executable, "-m", module, *arguments], {**os.environ, **(environment or {})}
    with pinned(-1):
        done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=TOLD_SECONDS_MAX)
    if done.returncode:
        words = done.stderr.strip().splitlines()
        raise NotThere(f"{module}: {words[-1][:120] if words else 'failed without a word'}")
    return msgspec.json.decode(done.stdout, type=Told)


def _folder(stack: contextlib.ExitStack, effort: Effort) -> Path:
    return Path(stack.enter_context(tempfile.TemporaryDirectory(dir=effort.data)))
