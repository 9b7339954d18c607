"""Rows about events on their way: numbered by a sequencer, published to a broker, and both on a log that has grown."""

import contextlib
import os
import subprocess
import sys
from importlib.resources import files
from itertools import count

import msgspec
import psutil  # type: ignore[import-untyped]  # as in bench/serve.py
from msgspec import Struct

from armature.testing.servers import LocalPostgres
from bench.duel import Effort
from bench.result import Result, Series, judge
from bench.serve import NotThere, pinned
from bench.servers import nats, postgres
from bench.targets import ROOT

__all__ = ["numbering", "publish"]

FOUNDATION = (files("armature.engine") / "schema" / "0001_foundation.postgres.sql").read_text()
EVENTS = 40_000
BATCH = 2_000
TOLD_SECONDS_MAX = 300
# The largest log takes minutes to fill: it is measured when ARMATURE_BENCH_FULL=1.
LOGS = (0, 1_000_000, *([10_000_000] if os.environ.get("ARMATURE_BENCH_FULL") == "1" else []))
_numbers = count(1)

# Ids are given in the order of the series, and streams take turns, so versions grow with them.
FILL = """
insert into armature_outbox (position, event_id, type, schema, tenant_id, stream, stream_version, payload, correlation_id,
                             causation_id, actor, partition, occurred_at)
select {position}, gen_random_uuid(), 'counter.changed', 1, 'public', 'counter/' || (n % 1000), n / 1000 + 1,
       '{{"operation":"increment","by":1,"value":' || n || '}}', md5(n::text), md5(n::text), 'developer',
       (n % 256)::smallint, now()
  from generate_series({first}, {last}) n
"""


class Told(Struct):
    events: int
    seconds: float
    cpu_seconds: float = 0.0


def numbering(effort: Effort) -> Result:
    """Events a second that one sequencer numbers, on logs of several lengths."""
    result = Result("numbering", f"PostgreSQL: {EVENTS:,} events numbered by one sequencer, {BATCH:,} a transaction", "events/s")
    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(postgres(effort))
        except NotThere as missing:
            result.series.append(Series("ours", missing=str(missing)))
            return result
        for length in LOGS:
            result.series.append(_number(result, server, length, effort))
    few, many = result.series[0], result.series[-1]
    result.notes.append(f"a log of {LOGS[-1]:,} keeps {many.median / few.median:.0%} of an empty one's rate")
    return result


def publish(effort: Effort) -> Result:
    """Events a second acknowledged by JetStream: the bus adapter against frames written by hand."""
    result = Result("publish", f"{EVENTS:,} events published to JetStream, acked", "events/s")
    ours, limit, again = Series("ours"), Series("limit"), Series("limit again")
    result.series = [ours, limit, again]
    for _ in range(effort.rounds):
        for series, module in ((ours, "bench.publish"), (limit, "bench.limits.publish"), (again, "bench.limits.publish")):
            try:
                # A fresh broker each time: a stream that is there already makes the next one slower.
                with nats(effort) as server:
                    told = _told(module, server.url, str(EVENTS))
                series.values.append(told.events / told.seconds)
            except NotThere as missing:
                series.missing = str(missing)
    judge(result, of_limit=0.6)
    return result


def _number(result: Result, server: LocalPostgres, length: int, effort: Effort) -> Series:
    series = Series(f"ours, log of {length:,}")
    name = f"numbering_{next(_numbers)}"
    url = server.create_database(name)
    server.sql(FOUNDATION, name)
    if length:
        server.sql(FILL.format(position="n", first=1, last=length), name)
        server.sql(f"update armature_head set last = {length}", name)
    server.sql("vacuum analyze armature_outbox", name)
    numbered, ours, theirs = 0, 0.0, 0.0
    for round_ in range(effort.rounds):
        first = length + round_ * EVENTS + 1
        server.sql(FILL.format(position="null", first=first, last=first + EVENTS - 1), name)
        before = _cpu_seconds(server)
        told = _told("bench.numbering", url, str(BATCH))
        theirs += _cpu_seconds(server) - before
        ours, numbered = ours + told.cpu_seconds, numbered + told.events
        series.values.append(told.events / told.seconds)
    if server.sql("select count(*) = max(position) and count(*) = count(position) from armature_outbox", name) != "t":
        result.void.append(f"{series.name}: positions are not 1 to N")
    series.cpu_us = (ours + theirs) / numbered * 1e6
    each = f"{ours / numbered * 1e6:.1f} us of the sequencer and {theirs / numbered * 1e6:.1f} of PostgreSQL"
    result.notes.append(f"{series.name}: an event costs {each}")
    return series


def _cpu_seconds(server: LocalPostgres) -> float:
    first = psutil.Process(server.pid)
    total = sum(first.cpu_times()[:4])  # its children that ended are in there
    for child in first.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            total += sum(child.cpu_times()[:2])
    return float(total)


def _told(module: str, *arguments: str) -> Told:
    with pinned(0):
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=TOLD_SECONDS_MAX
        )
    if done.returncode:
        words = done.stderr.strip().splitlines()
        raise NotThere(f"{module}: {words[-1][:120] if words else 'failed without a word'}")
    return msgspec.json.decode(done.stdout, type=Told)
