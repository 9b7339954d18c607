"""How throughput holds with 1, 1 000 and 1 000 000 counters: does anything look at more rows than it must?"""

import random
import tempfile
from pathlib import Path
from statistics import median

from bench.bulk import bulk_id, fill
from bench.counters import audit, make_counters
from bench.duel import Contestant, Effort
from bench.mix import Kind
from bench.result import Result, Series, demand_core
from bench.serve import NotThere, Server
from bench.targets import LIMIT, OURS, Target

__all__ = ["scale"]

SIZES = (1, 1_000, 1_000_000)
KINDS: tuple[Kind, ...] = ("read", "increment")
# So many of the million are called for that every page of the table takes part.
SAMPLE = 50_000
# The audit reads counters one by one; the increments of a run fall on as many as it can check.
AUDITED = 2_000
# Twelve series: more rounds would take half of the whole run.
ROUNDS_MAX = 3


def scale(effort: Effort) -> Result:
    result = Result("scale", "throughput with 1, 1 000 and 1 000 000 counters", "req/s")
    for target in (OURS, LIMIT):
        for size in SIZES:
            with tempfile.TemporaryDirectory(dir=effort.data) as folder:
                try:
                    _measure(result, target, size, Path(folder), effort)
                except NotThere as missing:
                    result.series.append(Series(f"{target.name} {size:,}", missing=str(missing)))
    _compare(result)
    return result


def _measure(result: Result, target: Target, size: int, folder: Path, effort: Effort) -> None:
    with Server(target, folder) as server:
        first = make_counters(server, 1)
    # The one that was made stays out of the load unless it is alone: copies are all alike.
    if size > 1:
        fill(folder, size)
    numbers = random.Random(size).sample(range(size), min(size, SAMPLE))
    ids = first if size == 1 else [str(bulk_id(n)) for n in numbers]
    with Server(target, folder) as server:
        for kind in KINDS:
            chosen = ids if kind == "read" else ids[:AUDITED]
            contestant = Contestant(server, kind, chosen, callers=32)
            # The order of the targets does not matter here: each is compared with itself.
            values = [contestant.measure(effort.seconds).per_second for _ in range(min(effort.rounds, ROUNDS_MAX))]
            result.series.append(Series(f"{target.name} {kind} {size:,}", values, cpu_us=median(contestant.cpu_us)))
            if kind == "read":
                demand_core(result, result.series[-1].name, result.series[-1].core_share)
            if wrong := audit(server, kind, chosen, contestant.runs):
                result.void.append(f"{target.name} with {size:,}: {wrong}")
            if refused := [run.refused for run in contestant.runs if run.refused]:
                result.void.append(f"{target.name} with {size:,}: not all answers were 2xx: {refused[0]}")


def _compare(result: Result) -> None:
    for target in (OURS, LIMIT):
        for kind in KINDS:
            few, many = (result.of(f"{target.name} {kind} {size:,}") for size in SIZES[1:])
            if few and many and few.median:
                result.notes.append(f"{target.name}, {kind}: a million keeps {many.median / few.median:.0%} of a thousand's rate")
