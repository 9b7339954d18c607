"""Rows about calls on PostgreSQL: the two promised ones, a hot counter in several processes, and what no HTTP costs."""

import contextlib
import subprocess
import sys
from itertools import count

import msgspec
from msgspec import Struct

from armature.testing.servers import LocalPostgres
from bench.duel import Effort, duel
from bench.mix import Kind
from bench.result import Result, Series, judge
from bench.serve import NotThere, pinned
from bench.servers import postgres
from bench.targets import ROOT
from bench.targets_postgres import POSTGRES_FRONT, POSTGRES_LIMIT, POSTGRES_OURS, POSTGRES_PEER, POSTGRES_WALLESS, on_database

__all__ = ["pg_bare", "pg_increment", "pg_read"]

# The peer's shares of the limit on the machine where the figures were promised: 3 650 of 43 800 and 1 330 of 31 000.
READ_SHARE, COMMAND_SHARE = 3_650 / 43_800, 1_330 / 31_000
COUNTERS = 1_000
_numbers = count(1)


def pg_read(effort: Effort) -> Result:
    result = Result("pg_read", "PostgreSQL: read one counter by id", "req/s")
    _on_postgres(result, effort, kind="read")
    judge(result, times_peer=7, of_limit=0.5, peer_share=READ_SHARE)
    return result


def pg_increment(effort: Effort) -> Result:
    title = (
        "PostgreSQL: increment: CAS + idempotency key + event, synchronous_commit=on; a process beside it numbers and projects"
    )
    result = Result("pg_increment", title, "req/s")
    _on_postgres(result, effort, kind="increment")
    judge(result, times_peer=8, of_limit=0.5, peer_share=COMMAND_SHARE, name=POSTGRES_FRONT.name)
    for other in ("peer", "limit"):
        if (ours := result.of("ours")) and (one := result.of(other)):
            result.notes.append(f"numbering and projecting in the same process: {ours.median / one.median:.2f} x {other}")
    return result


class Bare(Struct):
    reads: float
    commands: float


def pg_bare(effort: Effort) -> Result:
    """What the limit's storage does when nobody speaks HTTP to it."""
    result = Result("pg_bare", "PostgreSQL: the limit's storage without HTTP, 32 callers", "per s")
    reads, commands = Series("limit, reads"), Series("limit, commands")
    result.series = [reads, commands]
    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(postgres(effort))
        except NotThere as missing:
            reads.missing = commands.missing = str(missing)
            return result
        for _ in range(effort.rounds):
            told = _bare(server, effort)
            reads.values.append(told.reads)
            commands.values.append(told.commands)
    return result


def _bare(server: LocalPostgres, effort: Effort) -> Bare:
    command = [sys.executable, "-m", "bench.limits.bare_postgres", _database(server), str(COUNTERS), str(effort.seconds)]
    with pinned(0):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    return msgspec.json.decode(done.stdout, type=Bare)


def _on_postgres(result: Result, effort: Effort, *, kind: Kind) -> None:
    split = (POSTGRES_FRONT,) if kind == "increment" else ()
    field = (POSTGRES_OURS, *split, POSTGRES_WALLESS, POSTGRES_PEER, POSTGRES_LIMIT)
    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(postgres(effort))
        except NotThere as missing:
            result.series += [Series(target.name, missing=str(missing)) for target in field]
            return
        targets = [on_database(target, _database(server)) for target in field]
        duel(result, targets, effort, kind=kind, counters=COUNTERS)


def _database(server: LocalPostgres) -> str:
    return server.create_database(f"bench_{next(_numbers)}")
