"""The row about ways to the same query: gRPC beside bare grpc.aio, REST beside bare ASGI, and no wire at all."""

import contextlib
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import msgspec
from msgspec import Struct

from bench.counters import make_counters
from bench.duel import Effort, drive
from bench.load import Job
from bench.result import Result, Series, judge
from bench.serve import NotThere, Server, pinned
from bench.targets import LIMIT, ROOT, module

__all__ = ["CALLERS", "grpc_calls", "told"]

CALLERS = 32
# Both serve gRPC one port above HTTP.
OURS = module("ours", "bench.dual")
BARE = module("limit", "bench.limits.grpc_calls")


class Told(Struct):
    calls: int
    seconds: float
    refused: int
    p50_ms: float
    p99_ms: float


def grpc_calls(effort: Effort) -> Result:
    """Read one counter: 32 callers for calls a second, one caller for p50 and p99, which are then comparable."""
    result = Result("grpc_calls", "read one counter over gRPC, over REST, and within the process", "calls/s")
    with contextlib.ExitStack() as stack:
        try:
            ours, bare, asgi = (stack.enter_context(Server(one, _folder(stack, effort))) for one in (OURS, BARE, LIMIT))
        except NotThere as missing:
            result.series.append(Series("ours", missing=str(missing)))
            return result
        (counter,), (other,) = make_counters(ours, 1), make_counters(asgi, 1)
        _over_grpc(result, [("ours", ours), ("limit", bare), ("limit again", bare)], counter, effort)
        for name, server, one in (("REST", ours, counter), ("bare ASGI", asgi, other)):
            _over_rest(result, name, server, one, effort)
        _within(result, effort)
    judge(result, of_limit=0.7)
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
            series[name].values.append(found.calls / found.seconds)
            if found.refused:
                result.void.append(f"{name}: {found.refused} calls were refused")
    for name, server in lanes:
        alone = told("bench.grpc_load", str(server.port + 1), counter, "1", str(effort.seconds))
        series[name].cpu_us, series[name].p50_ms, series[name].p99_ms = median(costs[name]), alone.p50_ms, alone.p99_ms
    result.series += series.values()


def _over_rest(result: Result, name: str, server: Server, counter: str, effort: Effort) -> None:
    series, costs = Series(name), list[float]()
    for _ in range(effort.rounds):
        server.settle()
        before = server.cpu_seconds()
        job = Job(port=server.port, kind="read", ids=[counter], callers=CALLERS, seconds=effort.seconds, rate=None)
        answers = drive(job)
        costs.append((server.cpu_seconds() - before) / max(answers.sent, 1) * 1e6)
        series.values.append(answers.per_second)
    alone = drive(Job(port=server.port, kind="read", ids=[counter], callers=1, seconds=effort.seconds, rate=None))
    series.cpu_us, series.p50_ms, series.p99_ms = median(costs), alone.p50_ms, alone.p99_ms
    result.series.append(series)


def _within(result: Result, effort: Effort) -> None:
    runs = [told("bench.direct", str(effort.seconds)) for _ in range(effort.rounds)]
    series = Series("direct", [one.calls / one.seconds for one in runs])
    series.p50_ms, series.p99_ms = median(one.p50_ms for one in runs), median(one.p99_ms for one in runs)
    result.series.append(series)


def told(module: str, *arguments: str) -> Told:
    with pinned(-1):
        done = subprocess.run([sys.executable, "-m", module, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120)
    if done.returncode:
        words = done.stderr.strip().splitlines()
        raise NotThere(f"{module}: {words[-1][:120] if words else 'failed without a word'}")
    return msgspec.json.decode(done.stdout, type=Told)


def _folder(stack: contextlib.ExitStack, effort: Effort) -> Path:
    return Path(stack.enter_context(tempfile.TemporaryDirectory(dir=effort.data)))
