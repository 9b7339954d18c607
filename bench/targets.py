"""Who is measured: how each contestant is started, and what it can do.

`ours` speaks the public routes of modules/counter and nothing else, so it is measured as its users see it.
"""

import sys
from pathlib import Path

from msgspec import Struct, structs

__all__ = ["BIN", "FASTAPI", "FRONT", "LIMIT", "OURS", "PEER", "ROOT", "SAME", "Target", "module"]

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent


class Target(Struct, frozen=True):
    """A server to start: `command` with {port} and {data}, what to add to its environment, and the project it runs in."""

    name: str
    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()
    project: Path = ROOT
    pinned: bool = True
    """On the first core; else wherever the system puts it."""
    beside: "Target | None" = None
    """Another process that belongs to it and is not measured."""


def module(name: str, module: str) -> Target:
    """Return a contestant that is a module of the bench's own."""
    return Target(name, (sys.executable, "-m", module, "{port}", "{data}"))


OURS = Target("ours", (str(BIN / "armature"), "run", "--port", "{port}", "--data", "{data}"))
"""Ours with all modules of this project."""

SAME = structs.replace(OURS, project=ROOT / "bench" / "project")
"""Ours with what the peer and the limit have: counters, and a module that validates a body and stores nothing. In the whole
project `quota` reacts to every step of a counter as well."""

FRONT = structs.replace(SAME, name="ours, no projector", command=(*OURS.command, "--topology", "front", "--process", "front"))
"""Ours without the projector role, which the peer and the limit do not have: what the command path alone costs."""

PEER = module("peer", "bench.peers.fastapi_orm")
FASTAPI = module("peer", "bench.peers.fastapi_post")
LIMIT = module("limit", "bench.limits.asgi")
