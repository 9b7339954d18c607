"""Which roles a topology must seat, given what its modules declare and what its environment offers; and what it may connect.

What is missing would not fail: it would stand still, far away from its cause. So it is refused with words before the start.
"""

from collections.abc import Iterable, Iterator, Sequence

from armature.runtime.facts import ModuleFacts
from armature.runtime.model import Model
from armature.runtime.placing import home, hosts
from armature.runtime.problems import ModelError, Problem, suggestion
from armature.runtime.storing import misplaced
from armature.runtime.topology import EDGES, ProcessSpec, Role

__all__ = ["connections", "homeless", "refuse_unseated", "unseated"]

# Of each process, beside its pools: one connection each for numbering, for DDL and for what it asks at start.
_ALONE = 3

_LENT: tuple[Role, ...] = ("http", "projector", "sweeper")


def refuse_unseated(model: Model, modules: Sequence[ModuleFacts]) -> None:
    """Raise `ModelError` with every module that lives nowhere, and every role that is needed and played by nobody.

    A database file may be shared with processes of another topology, which fold and sweep for this one; the check `topology`
    tells of it, a start does not refuse it.
    """
    elsewhere = _LENT if model.environment.database.adapter == "sqlite" else ()
    missing = [problem for role, problem in _missing(model, modules) if role not in elsewhere]
    problems = [*homeless(model, modules), *missing, *misplaced(model)]
    if problems:
        raise ModelError(problems)


def unseated(model: Model, modules: Sequence[ModuleFacts]) -> Iterator[Problem]:
    """What a system of this model would wait for in vain."""
    yield from (problem for _, problem in _missing(model, modules))
    yield from misplaced(model)


def homeless(model: Model, modules: Sequence[ModuleFacts]) -> Iterator[Problem]:
    """Modules that no process hosts, and names in the topology that no module has."""
    known = [module.name for module in modules]
    for name, process in model.topology.processes.items():
        for module in process.modules if process.modules != "*" else []:
            if module not in known:
                yield _problem(model, f"processes.{name}.modules", f"there is no module '{module}'", suggestion(module, known))
    for module in known:
        if not _hosting(model, module):
            cure = f"add '{module}' to the modules of a process"
            yield _problem(model, "processes", f"nobody hosts module '{module}'", cure)


def _hosting(model: Model, module: str) -> list[ProcessSpec]:
    return [process for process in model.topology.processes.values() if hosts(process, module)]


def _problem(model: Model, key: str, text: str, cure: str) -> Problem:
    return Problem(f"platform/topologies/{model.topology.name}.yaml", 0, key, text, cure)


def _missing(model: Model, modules: Sequence[ModuleFacts]) -> Iterator[tuple[Role, Problem]]:
    yield from _unplayed(model, model.topology.processes.values(), _needed(model, modules))
    for database in sorted({process.database for process in model.topology.processes.values()}):
        beside = [process for process in model.topology.processes.values() if process.database == database]
        there = [module for module in modules if home(model, module.name) == database]
        yield from _unplayed(model, beside, _needed_on(model.on(database), there))
        yield from _played_elsewhere(model, beside, there)


def _unplayed(
    model: Model, processes: Iterable[ProcessSpec], needed: Iterable[tuple[Role, str]]
) -> Iterator[tuple[Role, Problem]]:
    played = {role for process in processes for role in process.roles}
    for role, reason in needed:
        if role not in played:
            cure = f"add {role} to a process's roles"
            yield role, _problem(model, "processes", f"nobody plays the role {role}, and {reason}", cure)


def _played_elsewhere(
    model: Model, processes: Iterable[ProcessSpec], modules: Iterable[ModuleFacts]
) -> Iterator[tuple[Role, Problem]]:
    """Roles that are played, but not where the module is that has work for them: a process does that of its own modules."""
    beside = list(processes)
    played = {role for process in beside for role in process.roles}
    for module in modules:
        here = [process for process in beside if hosts(process, module.name)]
        roles = {role for process in here for role in process.roles}
        for role, work in _work_of(module):
            if here and role in played - roles:
                text = f"no process that hosts '{module.name}' plays the role {role}, and nobody else runs its {work}"
                yield role, _problem(model, "processes", text, f"add {role} to the roles of one of them")


def _work_of(module: ModuleFacts) -> Iterator[tuple[Role, str]]:
    if module.projections:
        yield "projector", "projections"
    if module.reactions:
        yield "reactor", "reactions"
    if module.background:
        yield "watcher", "background.py"


def connections(model: Model) -> int:
    """Return how many connections to PostgreSQL all processes of the topology may hold together."""
    pools = model.policies.postgres
    each = pools.read_connections + pools.write_connections + _ALONE
    return sum(process.replicas for process in model.topology.processes.values()) * each


def _needed(model: Model, modules: Sequence[ModuleFacts]) -> Iterator[tuple[Role, str]]:
    """Of all processes together."""
    edges = EDGES.intersection(role for process in model.topology.processes.values() for role in process.roles)
    if any(module.operations for module in modules) and not edges:
        yield "http", "modules have operations that callers ask for"


def _needed_on(model: Model, modules: Sequence[ModuleFacts]) -> Iterator[tuple[Role, str]]:
    """Of those processes that live on one database, with the modules that do."""
    environment = model.environment
    if environment.database.adapter == "postgres":
        yield "sequencer", "events on PostgreSQL get their positions after the commit: no read model would ever move"
    if environment.bus.adapter != "memory" and not model.home:
        yield "relay", f"the environment has a broker ({environment.bus.adapter}) that nothing would arrive at"
    if any(module.projections for module in modules):
        yield "projector", "modules have projections that nobody would fold"
    if any(operation.cached for module in modules for operation in module.operations):
        yield "projector", "queries keep their answers until an event ends them: after a crash nobody would"
    if any(module.reactions for module in modules):
        yield "reactor", "modules have reactions that nobody would run"
    if any(home(model, one) == model.home for module in modules for one in module.hears):
        yield "relay", "reactions are told of events by the bus"
    if any(module.background for module in modules):
        yield "watcher", "modules have a background.py that nobody would run"
    if modules:
        yield "sweeper", "expired keys and the old log would be kept for ever"
