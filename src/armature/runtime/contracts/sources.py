"""What the documents are derived from: contracts by package, events, and who listens to them."""

import importlib
from collections.abc import Iterator, Mapping, Sequence
from inspect import isclass
from types import ModuleType

import msgspec
from msgspec import Struct

from armature.edges.grpc.schema import packages
from armature.engine.policies import Policies
from armature.kernel.event import Event, EventType, event_type
from armature.kernel.operation import Operation, feeds, operations
from armature.kernel.projection import Projection
from armature.kernel.reaction import Reaction
from armature.runtime.project import Loaded, Project

__all__ = ["Listener", "Promised", "limit_of", "promised"]


class Listener(Struct, frozen=True):
    """Something that hears an event: `projection counter.history`."""

    kind: str
    name: str


class Promised(Struct, frozen=True):
    """Everything the documents say, as the code has it."""

    contracts: Sequence[type]
    packages: Mapping[str, Sequence[type]]
    """Contracts by `name.vN`."""
    events: Mapping[str, EventType]
    listeners: Mapping[str, Sequence[Listener]]
    """By the event's name, in the order of modules."""
    policies: Policies

    def operations(self, contracts: Sequence[type] | None = None) -> list[Operation]:
        """Return all operations and feeds of all contracts, or of these."""
        chosen = self.contracts if contracts is None else contracts
        return [one for contract in chosen for one in (*operations(contract), *feeds(contract))]


def promised(project: Project, policies: Policies) -> Promised:
    """Read it from the modules, in the order of their names."""
    # Clients of a deployed system are promised this; the headers of development are nobody's contract.
    http = msgspec.structs.replace(policies.http, development_identity=False)
    modules = sorted(project.modules, key=lambda one: one.name)
    contracts = [contract for module in modules for contract in module.contracts]
    events = {one.name: one for module in modules for one in _events(module)}
    listeners: dict[str, list[Listener]] = {name: [] for name in events}
    for name, listener in _listeners(modules):
        if name in listeners and listener not in listeners[name]:
            listeners[name].append(listener)
    return Promised(contracts, packages(contracts), events, listeners, msgspec.structs.replace(policies, http=http))


def limit_of(operation: Operation, policies: Policies) -> str | None:
    """Return the rate an operation is held to: the policy's, the contract's, or everybody's."""
    return policies.limits.operations.get(operation.full_name) or operation.declared.limit or policies.limits.default


def _events(module: Loaded) -> Iterator[EventType]:
    for one in _own(_part(module, "contract")):
        if issubclass(one, Event) and "__event__" in vars(one):
            yield event_type(one)


def _listeners(modules: Sequence[Loaded]) -> Iterator[tuple[str, Listener]]:
    for module in modules:
        for one in _own(_part(module, "projections")):
            if issubclass(one, Projection) and one.name:
                yield from ((event_type(event).name, Listener("projection", one.name)) for event in one.folds())
        for one in _own(_part(module, "reactions")):
            if issubclass(one, Reaction) and one.name:
                yield from ((event_type(event).name, Listener("reaction", one.name)) for event in one.methods())
        for operation in (*module.operations(), *module.feeds()):
            kept = operation.declared.cache
            yield from ((event_type(event).name, Listener("feed", operation.full_name)) for event in operation.declared.of)
            yield from (
                (event_type(event).name, Listener("kept answer", operation.full_name)) for event in (kept.until if kept else ())
            )


def _part(module: Loaded, name: str) -> ModuleType | None:
    there = (module.folder / f"{name}.py").exists() or (module.folder / name / "__init__.py").exists()
    return importlib.import_module(f"{module.package}.{name}") if there else None


def _own(part: ModuleType | None) -> Iterator[type]:
    names = vars(part).values() if part is not None else ()
    yield from (one for one in names if isclass(one) and part is not None and one.__module__.startswith(part.__name__))
