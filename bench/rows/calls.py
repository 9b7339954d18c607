"""Rows about calls: the three promised ones, and the two that show contention."""

from bench.duel import Effort, duel
from bench.result import Result, judge
from bench.targets import FASTAPI, FRONT, LIMIT, PEER, SAME

__all__ = ["hot", "increment", "post", "read", "transfer"]

# The peers' shares of the limit on the machine where the figures were promised: 1 760 of 55 100, 640 of 30 400, 14 100 of 60 600.
READ_SHARE, COMMAND_SHARE, POST_SHARE = 1_760 / 55_100, 640 / 30_400, 14_100 / 60_600
# Enough that two of 32 callers seldom meet on one counter.
COUNTERS = 1_000


def read(effort: Effort) -> Result:
    result = Result("read", "read one counter by id", "req/s")
    duel(result, [SAME, PEER, LIMIT], effort, kind="read", counters=COUNTERS)
    judge(result, times_peer=10, of_limit=0.5, peer_share=READ_SHARE, core_bound=True)
    return result


def increment(effort: Effort) -> Result:
    result = Result("increment", "increment: CAS + idempotency key + event, synchronous=FULL", "req/s")
    duel(result, [SAME, FRONT, PEER, LIMIT], effort, kind="increment", counters=COUNTERS)
    judge(result, times_peer=20, of_limit=0.5, peer_share=COMMAND_SHARE)
    return result


def post(effort: Effort) -> Result:
    result = Result("post", "validated POST of six fields, nothing stored", "req/s")
    duel(result, [SAME, FASTAPI, LIMIT], effort, kind="post")
    judge(result, times_peer=2, of_limit=0.5, peer_share=POST_SHARE, core_bound=True)
    return result


def hot(effort: Effort) -> Result:
    result = Result("hot", "64 callers increment one counter", "req/s")
    duel(result, [SAME, PEER, LIMIT], effort, kind="increment", counters=1, callers=64)
    judge(result)
    return result


def transfer(effort: Effort) -> Result:
    result = Result("transfer", "transfers between 100 counters, two rows in one unit", "req/s")
    duel(result, [SAME, PEER, LIMIT], effort, kind="transfer", counters=100)
    judge(result)
    return result
