"""Who is measured on PostgreSQL: the contestants of `targets.py`, each on a database of its own."""

import sys

from msgspec import structs

from bench.targets import OURS, ROOT, SAME, Target, module

__all__ = [
    "BACK",
    "FRONT_OF_BACK",
    "POSTGRES_FRONT",
    "POSTGRES_LIMIT",
    "POSTGRES_OURS",
    "POSTGRES_PEER",
    "POSTGRES_WALLESS",
    "on_database",
]

POSTGRES_OURS = structs.replace(SAME, command=(*OURS.command, "--topology", "single-postgres"))
"""Ours on PostgreSQL, with a role for each module and row level security."""

NO_WALLS = ROOT / "bench" / "no_walls.py"
POSTGRES_WALLESS = structs.replace(
    POSTGRES_OURS, name="ours, no walls", command=(sys.executable, str(NO_WALLS), *POSTGRES_OURS.command[1:])
)
"""The same without roles and row level security: what the two walls cost."""

POSTGRES_PEER = module("peer", "bench.peers.fastapi_postgres")
POSTGRES_LIMIT = module("limit", "bench.limits.asgi_postgres")


def _part(process: str, port: str) -> Target:
    command = (OURS.command[0], "run", port, "{port}", "--data", "{data}", "--topology", "split", "--process", process)
    return structs.replace(SAME, name=process, command=command)


FRONT_OF_BACK = _part("front", "--port")
BACK = _part("back", "--health-port")
"""Ours as two processes on PostgreSQL: one answers, the other numbers the log and keeps the read models."""

POSTGRES_FRONT = structs.replace(FRONT_OF_BACK, name="ours, front", beside=structs.replace(BACK, pinned=False))
"""Ours as a fleet seats it: this process answers. What the peer and the limit do not do at all, numbering and projecting, is
done by a process beside it that runs wherever the system puts it, as PostgreSQL does."""


def on_database(target: Target, url: str) -> Target:
    """Return the contestant on a PostgreSQL database; each needs one of its own."""
    beside = None if target.beside is None else on_database(target.beside, url)
    return structs.replace(target, environment=(*target.environment, ("ARMATURE_POSTGRES_URL", url)), beside=beside)
