"""Rows about several processes on one PostgreSQL: writers of one counter, and a read model that another process keeps."""

import contextlib
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import msgspec
from msgspec import Struct

from bench.counters import audit, make_counters
from bench.duel import Effort, drive
from bench.load import Answers, Job
from bench.result import Result, Series
from bench.serve import NotThere, Server
from bench.servers import postgres
from bench.targets import ROOT, Target
from bench.targets_postgres import BACK, FRONT_OF_BACK, POSTGRES_OURS, on_database

__all__ = ["pg_hot", "pg_streams", "pg_writers", "visible"]

PROCESSES = (1, 2, 4)
STREAMS = (1, 2, 4, 8)
COUNTERS = 1_000
RATE = 1_000.0
PROJECTION = "counter.history"
# The watcher begins before the first command and ends after the last one was folded.
SLACK_SECONDS = 2.0
_numbers = count(1)


def pg_hot(effort: Effort) -> Result:
    """One counter, 32 callers in each of several processes; a refusal voids the row."""
    return _writers(Result("pg_hot", "PostgreSQL: one counter, 32 callers in each process", "req/s"), effort, counters=1)


def pg_writers(effort: Effort) -> Result:
    """As `pg_hot` over many counters. All processes share the server core, so this shows contention and not scaling."""
    return _writers(Result("pg_writers", "PostgreSQL: 1 000 counters, 32 callers a process", "req/s"), effort, counters=COUNTERS)


def pg_streams(effort: Effort) -> Result:
    """32 callers of one process on 1 to 8 counters: how a crowd spreads."""
    result = Result("pg_streams", "PostgreSQL: 32 callers on 1, 2, 4 and 8 counters", "req/s")
    try:
        with postgres(effort) as server:
            for streams in STREAMS:
                target = on_database(POSTGRES_OURS, server.create_database(f"{result.row}_{next(_numbers)}"))
                series = _measure(result, target, 1, streams, effort)
                series.name = f"ours, {streams} counter{'s' if streams > 1 else ''}"
                result.series.append(series)
    except NotThere as missing:
        result.series.append(Series("ours", missing=str(missing)))
    return result


def _writers(result: Result, effort: Effort, *, counters: int) -> Result:
    try:
        with postgres(effort) as server:
            for processes in PROCESSES:
                url = server.create_database(f"{result.row}_{next(_numbers)}")
                result.series.append(_measure(result, on_database(POSTGRES_OURS, url), processes, counters, effort))
    except NotThere as missing:
        result.series.append(Series("ours", missing=str(missing)))
    return result


def _measure(result: Result, target: Target, processes: int, counters: int, effort: Effort) -> Series:
    series = Series(f"ours, {processes} process{'es' if processes > 1 else ''}")
    with contextlib.ExitStack() as stack:
        # One after the other: the first migrates.
        servers = [stack.enter_context(Server(target, _folder(stack, effort))) for _ in range(processes)]
        ids = make_counters(servers[0], counters)
        runs: list[Answers] = []
        pool = stack.enter_context(ThreadPoolExecutor(processes))
        for _ in range(effort.rounds):
            jobs = [Job(port=one.port, kind="increment", ids=ids, seconds=effort.seconds) for one in servers]
            answers = list(pool.map(drive, jobs))
            series.values.append(sum(one.per_second for one in answers))
            runs += answers
        refused = [one.refused for one in runs if one.refused]
        if refused:
            result.void.append(f"{series.name}: not all answers were 2xx: {refused[0]}")
        if wrong := audit(servers[0], "increment", ids, runs):
            result.void.append(f"{series.name}: {wrong}")
    return series


class Seen(Struct):
    events: int
    p50_ms: float
    p99_ms: float


def visible(effort: Effort) -> Result:
    """From a command's `now` to its event in a read model of another process, at a fixed rate of commands."""
    result = Result("visible", f"PostgreSQL: commit to read model in another process at {RATE:,.0f}/s", "ms, p50")
    series = Series("ours, p50", at_rate=RATE)
    tail = Series("ours, p99", at_rate=RATE)
    result.series = [series, tail]
    with contextlib.ExitStack() as stack:
        try:
            url = stack.enter_context(postgres(effort)).create_database("visible")
            front = stack.enter_context(Server(on_database(FRONT_OF_BACK, url), _folder(stack, effort)))
            stack.enter_context(Server(on_database(BACK, url), _folder(stack, effort)))
            ids = make_counters(front, COUNTERS)
            for _ in range(effort.rounds):
                seen = _watch(result, front, url, ids, effort)
                series.values.append(seen.p50_ms)
                tail.values.append(seen.p99_ms)
        except NotThere as missing:
            series.missing = tail.missing = str(missing)
    return result


def _watch(result: Result, front: Server, url: str, ids: list[str], effort: Effort) -> Seen:
    job = Job(port=front.port, kind="increment", ids=ids, seconds=effort.seconds, rate=RATE)
    span = effort.seconds + job.warmup_seconds + SLACK_SECONDS
    command = [sys.executable, "-m", "bench.visible", url, PROJECTION, str(span)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as watcher:
        answers = drive(job)
        told, trouble = watcher.communicate(timeout=60)
    if watcher.returncode:
        raise NotThere(trouble.decode().strip().splitlines()[-1][:120])
    if answers.refused:
        result.void.append(f"not all answers were 2xx: {answers.refused}")
    seen = msgspec.json.decode(told, type=Seen)
    if seen.events < answers.accepted * 0.5:
        result.void.append(f"only {seen.events} of {answers.accepted} events were seen while the watcher looked")
    return seen


def _folder(stack: contextlib.ExitStack, effort: Effort) -> Path:
    return Path(stack.enter_context(tempfile.TemporaryDirectory(dir=effort.data)))
