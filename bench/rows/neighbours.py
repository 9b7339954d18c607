"""Rows about neighbours: in another process beside the bare transport, and in the same process beside a plain method."""

from statistics import median

from bench.duel import Effort
from bench.result import Claim, Result, Series, judge
from bench.rows.grpc_calls import CALLERS, told
from bench.servers import nats

__all__ = ["link_grpc", "link_nats", "neighbour"]


def link_grpc(effort: Effort) -> Result:
    """Ask `counter.get` of a process behind a socket of this machine, beside bare grpc.aio with messages of the same size."""
    result = Result("link_grpc", "one process asks another for a counter, over gRPC", "calls/s")
    _duel(result, {"ours": ("ours",), "limit": ("bare-grpc",), "limit again": ("bare-grpc",)}, effort)
    judge(result, of_limit=0.7)
    return result


def link_nats(effort: Effort) -> Result:
    """The same over NATS, beside bare request and reply."""
    result = Result("link_nats", "one process asks another for a counter, over NATS", "calls/s")
    with nats(effort) as server:
        url = server.url
        _duel(result, {"ours": ("ours", url), "limit": ("bare-nats", url), "limit again": ("bare-nats", url)}, effort)
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


def _duel(result: Result, lanes: dict[str, tuple[str, ...]], effort: Effort) -> None:
    series = {name: Series(name) for name in lanes}
    for _ in range(effort.rounds):
        for name, (what, *url) in lanes.items():
            found = told("bench.asked", what, str(effort.seconds), str(CALLERS), *url)
            series[name].values.append(found.calls / found.seconds)
    for name, (what, *url) in lanes.items():
        alone = told("bench.asked", what, str(effort.seconds), "1", *url)
        series[name].p50_ms, series[name].p99_ms = alone.p50_ms, alone.p99_ms
    result.series += series.values()
