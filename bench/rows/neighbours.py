"""Rows about neighbours: in another process beside the bare transport, and in the same process beside a plain method."""

import contextlib
import tempfile
from pathlib import Path
from statistics import median

from bench.closed import CALLERS
from bench.duel import Effort
from bench.result import Claim, Result, Series, judge
from bench.rows.grpc_calls import told
from bench.serve import NotThere, Server
from bench.servers import nats
from bench.targets_links import APP, BARE_LINK, at_nats, over_nats

__all__ = ["link_grpc", "link_nats", "neighbour"]


def link_grpc(effort: Effort) -> Result:
    """Ask `counter.get` of a process behind a socket of this machine, beside bare grpc.aio with messages of the same size."""
    result = Result("link_grpc", "one process asks another for a counter, over gRPC", "calls/s")
    _duel(result, effort)
    judge(result, of_limit=0.7)
    return result


def link_nats(effort: Effort) -> Result:
    """The same over NATS, beside bare request and reply."""
    result = Result("link_nats", "one process asks another for a counter, over NATS", "calls/s")
    try:
        with nats(effort) as server:
            _duel(result, effort, server.url)
    except NotThere as missing:
        result.series.append(Series("ours", missing=str(missing)))
    judge(result, of_limit=0.6)
    return result


def neighbour(effort: Effort) -> Result:
    """What it costs to ask a neighbour in the same process, over calling the method of its service."""
    result = Result(
        "neighbour",
        "ask a module of the same process for a counter",
        "us",
        [Series("plain method"), Series("ours")],
    )
    plain, ours = result.series
    for _ in range(effort.rounds):
        found = told("bench.neighbour_call", str(effort.seconds))
        plain.values.append(found.p50_ms * 1e3)
        ours.values.append(found.p99_ms * 1e3)
    result.claims.append(Claim("us over the plain method", 5.0, median(ours.values) - median(plain.values), at_most=True))
    return result


def _duel(result: Result, effort: Effort, url: str | None = None) -> None:
    """Ask ours and the limit in turn; both answer from the first core all the time, over NATS where there is a `url`."""
    series = {name: Series(name) for name in ("ours", "limit", "limit again")}
    environment = {} if url is None else at_nats(url)
    with contextlib.ExitStack() as stack:
        answering = {"ours": APP, "bare": BARE_LINK}
        folders = {name: Path(stack.enter_context(tempfile.TemporaryDirectory(dir=effort.data))) for name in answering}
        for name, target in answering.items():
            stack.enter_context(Server(target if url is None else over_nats(target, url), folders[name]))
        for _ in range(effort.rounds):
            for name, one in series.items():
                what = "ours" if name == "ours" else "bare"
                words = (what, str(effort.seconds), str(CALLERS), str(folders[what]))
                one.values.append(told("bench.asked", *words, environment=environment).per_second)
    result.series += series.values()
