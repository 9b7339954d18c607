"""Where modules are in a topology: who hosts one, who answers other processes for it, who serves it to callers. Pure.

Whoever plays an edge role serves the operations of the modules it hosts, and of those that no other process of that role hosts:
so a process with `modules: []` is an edge for everything, and a service with an edge of its own is left to itself.
"""

from collections.abc import Sequence
from typing import Literal

from armature.runtime.facts import ModuleFacts
from armature.runtime.model import Model
from armature.runtime.project import Project
from armature.runtime.topology import ProcessSpec

__all__ = ["answerers", "home", "homed", "homes", "hosts", "reached", "served", "servers"]

Edge = Literal["http", "grpc"]


def hosts(spec: ProcessSpec, module: str) -> bool:
    """Whether a kind of process hosts a module."""
    return spec.modules == "*" or module in spec.modules


def homes(model: Model, module: str) -> set[str]:
    """Return the databases that the processes which host a module live on; more than one is a mistake."""
    return {spec.database for spec in model.topology.processes.values() if hosts(spec, module)}


def home(model: Model, module: str) -> str:
    """Return the database a module lives on; empty is the environment's `database`."""
    return next(iter(sorted(homes(model, module))), "")


def homed(model: Model, project: Project) -> Project:
    """Return those modules of a project that live on the database of the model."""
    return Project(project.root, tuple(one for one in project.modules if home(model, one.name) == model.home))


def answerers(model: Model, module: str) -> tuple[str, ...]:
    """Return the processes that answer other processes for a module."""
    processes = model.topology.processes.items()
    return tuple(name for name, spec in processes if "neighbour" in spec.roles and hosts(spec, module))


def servers(model: Model, module: str, edge: Edge) -> tuple[str, ...]:
    """Return the processes that serve a module's operations to callers: those that host it, else all of that role."""
    players = {name: spec for name, spec in model.topology.processes.items() if edge in spec.roles}
    return tuple(name for name, spec in players.items() if hosts(spec, module)) or tuple(players)


def served(model: Model, process: str, modules: Sequence[str], edge: Edge) -> list[str]:
    """Return those of the modules whose operations a process serves to callers."""
    if not process:
        return list(modules)
    return [module for module in modules if process in servers(model, module, edge)]


def reached(model: Model, process: str, modules: Sequence[ModuleFacts]) -> list[str]:
    """Return the modules that a process must reach in other processes: what it serves or its modules need, and does not host."""
    if not process:
        return []
    spec = model.topology.processes[process]
    here = [module for module in modules if hosts(spec, module.name)]
    wanted = {need for module in here for need in module.needs}
    if "reactor" in spec.roles:
        # What happens on another database is heard from whoever has its log.
        wanted |= {one for module in here for one in module.hears if home(model, one) != spec.database}
    for edge in ("http", "grpc"):
        wanted.update(served(model, process, [module.name for module in modules if module.operations], edge))
    return [module.name for module in modules if module.name in wanted and not hosts(spec, module.name)]
