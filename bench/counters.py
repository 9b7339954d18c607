"""Counters for a run: made through the public routes, and counted again afterwards.

The generator's count of accepted commands is an outside ledger: a contestant whose counters do not add up to it was fast by
losing work, and its row is void.
"""

import http.client
import json
from concurrent.futures import ThreadPoolExecutor

from bench.load import Answers
from bench.mix import Kind
from bench.serve import NotThere, Server

__all__ = ["audit", "make_counters"]

STOCK = 1_000
AT_ONCE = 8
"""Counters that are made at a time: a commit each, one after the other, takes longer than the measurement."""


def make_counters(server: Server, count: int, *, stock: bool = False) -> list[str]:
    """Create `count` counters, each holding 1 000 if `stock`; return their ids."""

    def make(n: int) -> str:
        status, counter = server.call("POST", "/v1/counters", {"name": f"bench {n}"})
        if status != 201:
            raise NotThere(f"POST /v1/counters answered {status}: {str(counter)[:120]}")
        if stock:
            server.call("POST", f"/v1/counters/{counter['id']}/increment", {"by": STOCK}, key=f"stock-{n}")
        return str(counter["id"])

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(make, range(count)))


def audit(server: Server, kind: Kind, ids: list[str], runs: list[Answers]) -> str | None:
    """Return what does not add up, or None. A broken connection leaves a sent command undecided, so there is a range."""
    if kind not in ("increment", "transfer"):
        return None
    total = sum(_values(server.port, ids))
    if kind == "transfer":
        due = STOCK * len(ids)
        return None if total == due else f"transfers changed the sum: {total} instead of {due}"
    accepted, sent = sum(run.accepted for run in runs), sum(run.sent for run in runs)
    if accepted <= total <= sent:
        return None
    return f"the counters hold {total}, but {accepted} steps were accepted of {sent} sent"


def _values(port: int, ids: list[str]) -> list[int]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    values = []
    try:
        for id_ in ids:
            connection.request("GET", f"/v1/counters/{id_}", headers={"X-Tenant-ID": "public"})
            values.append(int(json.loads(connection.getresponse().read())["value"]))
    finally:
        connection.close()
    return values
