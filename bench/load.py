"""The load generator: its own process, pinned to its own core, cheap enough not to be the bottleneck.

Closed loop: every connection has one request in flight; gives ceilings. Open loop: requests leave by a Poisson schedule
whatever the server does, and latency counts from the *intended* send, so a stall is charged to all who would have come
during it (Tene, "How not to measure latency", 2013). Run as `python -m bench.load` with a `Job` as JSON on standard input.
"""

import gc
import random
import select
import sys
import time
from collections import Counter, deque
from collections.abc import Callable

import msgspec
from msgspec import Struct

from bench.line import Broken, Line
from bench.mix import Kind, Make, maker

__all__ = ["Answers", "Job", "run"]

LATE_SECONDS = 0.001


class Job(Struct, frozen=True, forbid_unknown_fields=True):
    """What to send: for `seconds` after `warmup_seconds`, or until `requests` are answered; with `rate`, by schedule."""

    port: int
    kind: Kind
    ids: list[str] = []
    callers: int = 32
    seconds: float = 1.5
    warmup_seconds: float = 0.3
    rate: float | None = None
    requests: int | None = None
    tenant: str = "public"
    seed: int | None = None


class Answers(Struct):
    """What came back. `accepted` counts every 2xx of the run, warm-up and drain included: an outside ledger of effects."""

    per_second: float = 0.0
    answered: int = 0
    sent: int = 0
    accepted: int = 0
    refused: dict[str, int] = {}
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    max_ms: float = 0.0
    late_share: float = 0.0
    busy_share: float = 0.0


class Ledger:
    """What is noted for each answer; nothing is worked out until the run is over."""

    def __init__(self) -> None:
        self.statuses: Counter[int] = Counter()
        self.waits: list[float] = []
        self.sent = 0
        self.late = 0
        self.due = 0
        self.busy_share = 0.0
        self.broken = ""

    def close(self, started: float, ended: float) -> Answers:
        waits, span = sorted(self.waits), max(ended - started, 1e-9)
        refused = {str(status): n for status, n in self.statuses.items() if not 200 <= status < 300}
        if self.broken:
            refused[self.broken] = 1
        return Answers(
            per_second=len(waits) / span,
            answered=len(waits),
            sent=self.sent,
            accepted=sum(n for status, n in self.statuses.items() if 200 <= status < 300),
            refused=refused,
            p50_ms=_quantile(waits, 0.50),
            p99_ms=_quantile(waits, 0.99),
            max_ms=_quantile(waits, 1.0),
            late_share=self.late / self.due if self.due else 0.0,
            busy_share=self.busy_share,
        )


def run(job: Job) -> Answers:
    """Do the job and return what came back; a server that hangs up is an answer too (`refused`)."""
    draw = random.Random(job.seed)
    make = maker(job.kind, job.ids, job.tenant, draw)
    lines = [Line(job.port) for _ in range(job.callers)]
    # A collection in the middle of a run would be booked as the server's latency.
    gc.collect()
    gc.disable()
    try:
        return _open(job, lines, make, draw) if job.rate else _closed(job, lines, make)
    finally:
        gc.enable()
        for line in lines:
            line.close()


def _closed(job: Job, lines: list[Line], make: Make) -> Answers:
    ledger, clock = Ledger(), time.perf_counter
    by_fd, poll = _watch(lines)
    opened, burnt = clock(), time.process_time()
    now, started = opened, opened + job.warmup_seconds
    stop = started + job.seconds if job.requests is None else float("inf")
    left = job.requests or sys.maxsize
    waits, statuses = ledger.waits, ledger.statuses
    flying = sent = 0
    try:
        for line in lines[:left]:
            line.intended = clock()
            line.send(make())
            flying = sent = sent + 1
        while flying:
            for fd, _ in poll(10) or _silence():
                line = by_fd[fd]
                status = line.take()
                if not status:
                    continue
                now = clock()
                statuses[status] += 1
                if started <= now < stop:
                    waits.append(now - line.intended)
                if now < stop and sent < left:
                    line.intended = now
                    line.send(make())
                    sent += 1
                else:
                    flying -= 1
    except (Broken, OSError) as broken:
        ledger.broken = str(broken)
    ledger.sent = sent
    ledger.busy_share = (time.process_time() - burnt) / max(clock() - opened, 1e-9)
    return ledger.close(started, now if job.requests else stop)


def _open(job: Job, lines: list[Line], make: Make, draw: random.Random) -> Answers:
    ledger, clock, rate = Ledger(), time.perf_counter, job.rate or 1.0
    by_fd, poll = _watch(lines)
    idle, waiting = list(lines), deque[float]()
    opened = clock()
    started, stop = opened + job.warmup_seconds, opened + job.warmup_seconds + job.seconds
    due = opened
    try:
        while due < stop or waiting or len(idle) < len(lines):
            now = clock()
            while due <= now and due < stop:
                ledger.due += 1
                ledger.late += now - due > LATE_SECONDS
                waiting.append(due)
                due += draw.expovariate(rate)
            while idle and waiting:
                line = idle.pop()
                line.intended = waiting.popleft()
                line.send(make())
                ledger.sent += 1
            # poll() knows whole milliseconds; what is due sooner is waited for by looking again at once.
            nap = due - clock() - 0.001 if due < stop else 10.0
            for fd, _ in poll(nap) if nap > 0 else poll(0):
                line = by_fd[fd]
                if status := line.take():
                    ledger.statuses[status] += 1
                    if line.intended >= started:
                        ledger.waits.append(clock() - line.intended)
                    idle.append(line)
    except (Broken, OSError) as broken:
        ledger.broken = str(broken)
    return ledger.close(started, stop)


def _watch(lines: list[Line]) -> tuple[dict[int, Line], Callable[[float], list[tuple[int, int]]]]:
    epoll = select.epoll()
    for line in lines:
        epoll.register(line.fileno, select.EPOLLIN)
    return {line.fileno: line for line in lines}, epoll.poll


def _silence() -> list[tuple[int, int]]:
    raise Broken("no answer for 10 s")


def _quantile(ordered: list[float], share: float) -> float:
    return round(ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1_000, 3) if ordered else 0.0


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(run(msgspec.json.decode(sys.stdin.buffer.read(), type=Job))))
