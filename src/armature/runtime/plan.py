"""What a model means for these modules: which process hosts and plays what, which routes answer, who gets which adapter,
and where each value came from. Pure: the terminal, the console and the process that starts all read the same plan."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct

from armature.runtime.environment import Environment, masked
from armature.runtime.facts import ModuleFacts
from armature.runtime.graph import ordered
from armature.runtime.model import DEFAULT, Model
from armature.runtime.overrides import SETTABLE
from armature.runtime.placing import answerers, homes, hosts, reached, servers
from armature.runtime.plan_text import table
from armature.runtime.problems import ModelError, Problem
from armature.runtime.seating import homeless
from armature.runtime.shape import leaves
from armature.runtime.topology import Role

__all__ = ["Plan", "plan"]

EMBEDDED = {"http": "httpx2", "clock": "system", "ids": "system", "secrets": "environment, file"}
"""The ports that have one adapter so far. What an environment chooses is not in this list."""


class ProcessPlan(Struct, frozen=True):
    name: str
    modules: tuple[str, ...]
    roles: tuple[Role, ...]
    replicas: int


class Route(Struct, frozen=True):
    method: str
    path: str
    operation: str
    kind: Literal["query", "command", "feed"]
    permission: str | None
    """None for a public operation."""
    processes: tuple[str, ...]


class AdapterChoice(Struct, frozen=True):
    port: str
    adapter: str
    detail: str
    processes: tuple[str, ...]


class Value(Struct, frozen=True):
    key: str
    value: Any
    origin: str


class Plan(Struct, frozen=True, kw_only=True):
    """The plan as data; `to_json` and `render` show it."""

    topology: str
    environment: str
    production: bool
    data: str
    processes: tuple[ProcessPlan, ...]
    modules: tuple[ModuleFacts, ...]
    """In the order in which they migrate and start."""
    routes: tuple[Route, ...]
    adapters: tuple[AdapterChoice, ...]
    values: tuple[Value, ...]

    def to_json(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self), indent=2)

    def render(self, *, defaults: bool = False) -> str:
        """Text for a terminal. Values that nobody set are counted, and listed with `defaults`."""
        shown = [value for value in self.values if defaults or value.origin != DEFAULT]
        kind = "production" if self.production else "development"
        parts = [
            f"topology {self.topology}, environment {self.environment} ({kind}), data in {self.data}",
            _titled(
                "processes", table([[p.name, f"× {p.replicas}", *map(_listed, (p.roles, p.modules))] for p in self.processes])
            ),
            _titled("modules", table([_module_row(module) for module in self.modules])),
            _titled("routes", table([[r.method, r.path, r.operation, r.permission or "public"] for r in self.routes])),
            _titled("adapters", table([[a.port, a.adapter, a.detail, _listed(a.processes)] for a in self.adapters])),
            _titled("values", table([[v.key, _text(v.value), v.origin] for v in shown])),
        ]
        if len(shown) < len(self.values):
            parts.append(f"{len(self.values) - len(shown)} more values are defaults.")
        return "\n\n".join(part for part in parts if part) + "\n"


def plan(model: Model, modules: Sequence[ModuleFacts]) -> Plan:
    """Lay the model over the modules; raises `ModelError` for names and combinations that cannot work."""
    sorted_modules = ordered(modules)
    problems = [*homeless(model, sorted_modules), *_unhosted(model, sorted_modules)]
    routes = tuple(_routes(model, sorted_modules))
    problems += _clashes(routes)
    if problems:
        raise ModelError(problems)
    return Plan(
        topology=model.topology.name,
        environment=model.environment.name,
        production=model.environment.production,
        data=str(model.data),
        processes=tuple(_processes(model, sorted_modules)),
        modules=sorted_modules,
        routes=routes,
        adapters=tuple(_adapters(model)),
        values=tuple(_values(model)),
    )


def _hosted(model: Model, process: str, modules: Sequence[ModuleFacts]) -> tuple[str, ...]:
    chosen = model.topology.processes[process].modules
    return tuple(module.name for module in modules if chosen == "*" or module.name in chosen)


def _processes(model: Model, modules: Sequence[ModuleFacts]) -> Iterator[ProcessPlan]:
    for name, process in model.topology.processes.items():
        yield ProcessPlan(name, _hosted(model, name, modules), tuple(process.roles), process.replicas)


def _players(model: Model, module: str, role: Role) -> tuple[str, ...]:
    return tuple(name for name, spec in model.topology.processes.items() if role in spec.roles and hosts(spec, module))


def _unhosted(model: Model, modules: Sequence[ModuleFacts]) -> Iterator[Problem]:
    """A module that nobody serves, folds or can build in its process would fail later and further away."""
    for module in modules:
        if module.operations and not (servers(model, module.name, "http") or servers(model, module.name, "grpc")):
            yield _problem(model, "processes", f"nobody answers requests for module '{module.name}'", "give a process role http")
        if module.projections and not _players(model, module.name, "projector"):
            cure = f"give role projector to a process that hosts '{module.name}'"
            yield _problem(model, "processes", f"nobody folds the projections of module '{module.name}'", cure)
    for module in modules:
        if len(databases := homes(model, module.name)) > 1:
            named = " and ".join(sorted(one or "database" for one in databases))
            cure = "name the modules of each process, so that each lives on one database"
            yield _problem(model, "processes", f"module '{module.name}' would live on {named}", cure)
    for name in model.topology.processes:
        for needed in reached(model, name, modules):
            if not answerers(model, needed):
                key = f"processes.{name}.modules"
                cure = f"add '{needed}' here, or give role neighbour to a process that hosts it"
                yield _problem(model, key, f"it asks module '{needed}', which nobody answers other processes for", cure)


def _problem(model: Model, key: str, text: str, cure: str) -> Problem:
    return Problem(f"platform/topologies/{model.topology.name}.yaml", 0, key, text, cure)


def _routes(model: Model, modules: Sequence[ModuleFacts]) -> Iterator[Route]:
    for module in modules:
        players = servers(model, module.name, "http")
        for operation in module.operations:
            path = model.policies.http.prefix.replace("{version}", str(operation.version)) + operation.path
            yield Route(operation.method, path, operation.name, operation.kind, operation.permission, players)


def _clashes(routes: Sequence[Route]) -> Iterator[Problem]:
    """Two routes that differ in the names of their parameters alone are one route with two owners."""
    taken: dict[tuple[str, str], Route] = {}
    for route in routes:
        first = taken.setdefault((route.method, re.sub(r"{[^}]*}", "{}", route.path)), route)
        if first is not route:
            file = f"modules/{route.operation.partition('.')[0]}/contract.py"
            text = f"{route.method} {route.path} is also {first.operation}'s"
            yield Problem(file, 0, route.operation, text, "give it a path of its own")


def _adapters(model: Model) -> Iterator[AdapterChoice]:
    everyone = tuple(model.topology.processes)
    for home in sorted({process.database for process in model.topology.processes.values()}):
        yield _database(model.on(home))
    for port in ("bus", "signal", "cache", "limiter"):
        binding = getattr(model.environment, port)
        yield AdapterChoice(port, binding.adapter, masked(binding.url) if binding.url else "", everyone)
    for port, adapter in EMBEDDED.items():
        yield AdapterChoice(port, adapter, "", everyone)


def _database(model: Model) -> AdapterChoice:
    """The database of a model, and the processes that live on it."""
    binding = model.environment.database
    place = str(model.database_path) if binding.adapter == "sqlite" else masked(binding.url or "")
    here = tuple(name for name, process in model.topology.processes.items() if process.database == model.home)
    return AdapterChoice("database", binding.adapter, place, here)


def _values(model: Model) -> Iterator[Value]:
    environments = {leaf.key for leaf in leaves(Environment)}
    for key, leaf in SETTABLE.items():
        if leaf.path[0] != "secrets":
            # Two structs share the section `database`; their keys do not meet.
            owner: Any = model.environment if key in environments else model.policies
            for part in leaf.path:
                owner = getattr(owner, part)
            yield Value(key, owner, model.origins[key])
    for name, reference in model.environment.secrets.items():
        # The reference is where the secret is, not what it is.
        yield Value(f"secrets.{name}", reference, model.origins[f"secrets.{name}"])


def _module_row(module: ModuleFacts) -> list[str]:
    counts = f"operations {len(module.operations)}, projections {len(module.projections)}, tables {len(module.tables)}"
    return [module.name, module.version, counts, f"needs {_listed(module.needs)}" if module.needs else ""]


def _titled(title: str, lines: list[str]) -> str:
    return "\n".join([title, *(f"  {line}" for line in lines)]) if lines else ""


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "–"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
