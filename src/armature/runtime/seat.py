"""What one process of a topology is: which roles it plays, whose modules it hosts, and what it does when a server is away."""

from collections.abc import Collection, Sequence
from typing import Literal

from msgspec import Struct

from armature.runtime.model import Model
from armature.runtime.problems import ModelError, Problem, suggestion
from armature.runtime.topology import Role

__all__ = ["Seat", "seat_of"]


class Seat(Struct, frozen=True):
    """One process. Without a name it stands for the whole topology at once, as in a test or inside another application."""

    name: str
    roles: frozenset[Role]
    modules: frozenset[str] | None
    """The modules it hosts; None: all."""
    on_loss: Literal["unready", "exit"] = "unready"
    home: str = ""
    """The database it lives on, by its name in the environment; empty: `database`."""

    def hosts(self, module: str) -> bool:
        """Whether the module lives here."""
        return self.modules is None or module in self.modules

    def hosted(self, modules: Collection[str]) -> list[str]:
        """Return those of the modules that live here, in the given order."""
        return [name for name in modules if self.hosts(name)]


def seat_of(model: Model, process: str | None = None) -> Seat:
    """Return the process of that name; without a name, all of the topology's in one. An unknown name is a `ModelError`."""
    specs = model.topology.processes
    if process is None:
        roles = frozenset(role for spec in specs.values() for role in spec.roles)
        exits = all(spec.on_loss == "exit" for spec in specs.values())
        _refuse_several(model)
        return Seat("", roles, _modules([spec.modules for spec in specs.values()]), "exit" if exits else "unready")
    spec = specs.get(process)
    if spec is None:
        file = f"platform/topologies/{model.topology.name}.yaml"
        raise ModelError([Problem(file, 0, "processes", f"there is no process '{process}'", suggestion(process, specs))])
    return Seat(process, frozenset(spec.roles), _modules([spec.modules]), spec.on_loss, spec.database)


def _refuse_several(model: Model) -> None:
    """One process cannot stand for several that live on several databases."""
    if any(spec.database for spec in model.topology.processes.values()):
        file = f"platform/topologies/{model.topology.name}.yaml"
        text = "its processes live on several databases, and one process lives on one"
        raise ModelError([Problem(file, 0, "processes", text, "start each of them: `armature run` does, or --process NAME")])


def _modules(named: Sequence[Sequence[str] | str]) -> frozenset[str] | None:
    return None if "*" in named else frozenset(name for names in named for name in names)
