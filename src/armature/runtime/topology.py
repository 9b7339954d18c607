"""Which process hosts which modules in which roles: the shape of `platform/topologies/*.yaml`."""

from collections.abc import Iterator
from typing import Annotated, Literal, get_args

from msgspec import Meta, field

from armature.engine.policies import Section
from armature.runtime.documents import Document
from armature.runtime.problems import Problem

__all__ = ["EDGES", "ROLES", "ProcessSpec", "Role", "Topology", "examine"]

Role = Literal["store", "http", "grpc", "neighbour", "projector", "sweeper", "sequencer", "relay", "reactor", "watcher"]
"""The one list of roles: store owns the SQLite file and writes for the others, http and grpc answer requests, neighbour answers
other processes for the modules hosted here, projector folds the log into read models, sweeper applies retention, sequencer gives
the log its numbers where the database does not, relay copies it to the broker, reactor runs reactions, watcher background.py."""

ROLES: tuple[Role, ...] = get_args(Role)

_EMBEDDED: tuple[Role, ...] = ("http", "projector", "sweeper")
"""What one process on an embedded database plays; the other roles are named by the topologies that need them."""


EDGES: frozenset[Role] = frozenset(("http", "grpc"))
"""Roles that serve what others host; a process of these alone needs no module and no database."""


class ProcessSpec(Section, frozen=True):
    """One kind of process."""

    modules: list[str] | Literal["*"] = "*"
    """The modules it hosts by name; `"*"` hosts all; `[]` is an edge in front of those that do."""
    roles: list[Role] = field(default_factory=lambda: list(_EMBEDDED))
    """The long-running actors it plays."""
    database: str = ""
    """The database its modules live on, by its name under the environment's `databases`; empty: `database`."""
    replicas: Annotated[int, Meta(ge=1)] = 1
    """How many of it run."""
    on_loss: Literal["unready", "exit"] = "unready"
    """What it does while a server it needs is away: say 503 on /readyz, or end with an error so that it is started anew."""


class Topology(Section, frozen=True):
    """One topology file. Without `processes`, one process `app` hosts everything in every role."""

    name: str = ""
    """The file's name without its ending; may be left out."""
    environment: str = ""
    """The environment it runs with when the command line names none; empty: `dev`."""
    processes: dict[str, ProcessSpec] = field(default_factory=lambda: {"app": ProcessSpec()})
    """The processes by name."""


def examine(topology: Topology, document: Document) -> Iterator[Problem]:
    """What types cannot say about a topology."""
    if not topology.processes:
        yield document.problem(("processes",), "has no process", "name one: `app: {modules: '*'}`")
    for name, process in topology.processes.items():
        for key, entries in (("modules", process.modules), ("roles", process.roles)):
            at = ("processes", name, key)
            if key == "modules" and not entries and EDGES.issuperset(process.roles):
                continue
            if not entries:
                cure = f"name some, or remove the line: it then means all {key}"
                yield document.problem(at, "is empty, so the process would do nothing", cure)
            doubles = {entry for entry in entries if list(entries).count(entry) > 1}
            for entry in sorted(doubles):
                yield document.problem(at, f"names '{entry}' twice", "keep one of them")
