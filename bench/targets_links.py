"""Who is asked by another process: the modules behind an edge, the bare transport, and the owner of a file that others share."""

import sys

from msgspec import structs

from bench.targets import OURS, Target, module

__all__ = ["APP", "BARE_LINK", "BARE_OWNER", "OWNER", "WEB", "at_nats", "over_nats"]

_ARMATURE = OURS.command[0]
_HEALTH = ("run", "--health-port", "{port}", "--data", "{data}")

APP = Target("ours", (_ARMATURE, *_HEALTH, "--topology", "layered", "--process", "app"))
"""Every module, asked through its links; over gRPC and a socket in the data folder."""

BARE_LINK = module("limit", "bench.limits.links")

OWNER = Target("store", (_ARMATURE, *_HEALTH, "--topology", "store", "--process", "store"))
WEB = Target("web", (*OURS.command, "--topology", "store", "--process", "web"))

BARE_OWNER = Target("store", (sys.executable, "-m", "bench.store_call", "owner", "{port}", "{data}"))
"""The owner's side of the store's socket with nothing else in its process."""


def over_nats(target: Target, url: str) -> Target:
    """Return the answering side of a link at a NATS server."""
    return structs.replace(target, environment=tuple(at_nats(url).items()))


def at_nats(url: str) -> dict[str, str]:
    """Return what both sides need in their environment for a link over NATS."""
    return {"ARMATURE_NEIGHBOURS__TRANSPORT": "nats", "ARMATURE_NEIGHBOURS__URL": url}
