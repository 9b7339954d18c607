"""Which process hosts which modules in which roles: the shape of `platform/topologies/*.yaml`."""

from collections.abc import Iterator
from typing import Annotated, Literal, get_args

from msgspec import Meta, field

from armature.engine.policies import Section
from armature.runtime.documents import Document
from armature.runtime.problems import Problem

__all__ = ["ProcessSpec", "Role", "Topology", "examine"]

Role = Literal["http", "projector", "sweeper"]
"""The one list of roles: http answers requests, projector folds the log into read models, sweeper applies retention."""

ROLES: tuple[Role, ...] = get_args(Role)


class ProcessSpec(Section, frozen=True):
    """One kind of process."""

    modules: list[str] | Literal["*"] = "*"
    """The modules it hosts by name; `"*"` hosts all."""
    roles: list[Role] = field(default_factory=lambda: list(ROLES))
    """The long-running actors it plays."""
    replicas: Annotated[int, Meta(ge=1)] = 1
    """How many of it run."""


class Topology(Section, frozen=True):
    """One topology file. Without `processes`, one process `app` hosts everything in every role."""

    name: str = ""
    """The file's name without its ending; may be left out."""
    processes: dict[str, ProcessSpec] = field(default_factory=lambda: {"app": ProcessSpec()})
    """The processes by name."""


def examine(topology: Topology, document: Document) -> Iterator[Problem]:
    """What types cannot say about a topology."""
    if not topology.processes:
        yield document.problem(("processes",), "has no process", "name one: `app: {modules: '*'}`")
    for name, process in topology.processes.items():
        for key, entries in (("modules", process.modules), ("roles", process.roles)):
            at = ("processes", name, key)
            if not entries:
                cure = f"name some, or remove the line: it then means all {key}"
                yield document.problem(at, "is empty, so the process would do nothing", cure)
            doubles = {entry for entry in entries if list(entries).count(entry) > 1}
            for entry in sorted(doubles):
                yield document.problem(at, f"names '{entry}' twice", "keep one of them")
