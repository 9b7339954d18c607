"""Rule `topology`: with the environment it names, every topology hosts every module and seats every role that is needed, the
pools of its processes fit into what the database allows, and what they must share is shared."""

from collections.abc import Iterator, Sequence

from armature.checks.finding import Finding
from armature.checks.loading import as_findings, project_of
from armature.checks.model import unhosted
from armature.checks.tree import Tree
from armature.runtime.facts import ModuleFacts
from armature.runtime.model import Model, load
from armature.runtime.problems import ModelError
from armature.runtime.project import Project
from armature.runtime.seating import connections, unseated
from armature.runtime.storing import stored

__all__ = ["findings"]


def findings(tree: Tree) -> list[Finding]:
    """Return what nobody hosts or plays, connections that nobody could have, and caches that hear nothing of each other."""
    project = project_of(tree)
    if not isinstance(project, Project):
        return list(project)
    return [one for path in sorted((tree.root / "platform/topologies").glob("*.yaml")) for one in _one(tree, project, path.stem)]


def _one(tree: Tree, project: Project, topology: str) -> Iterator[Finding]:
    try:
        model = load(tree.root, topology=topology, environment=None, environ={})
    except ModelError as refused:
        yield from as_findings("model:load", refused.problems)
        return
    yield from unhosted(tree, model)
    facts = [module.facts() for module in project.modules]
    yield from as_findings("topology:seats", list(unseated(model, facts)))
    yield from _caches(model, facts)
    database = model.environment.database
    wanted = connections(model)
    if database.adapter == "postgres" and wanted > database.connections_max:
        file = f"platform/topologies/{topology}.yaml"
        text = f"its processes may hold {wanted} connections, and {database.connections_max} are allowed"
        cure = "lower replicas, or raise database.connections_max in the environment together with the server's max_connections"
        yield Finding("topology:connections", file, 0, text, cure)


def _caches(model: Model, modules: Sequence[ModuleFacts]) -> Iterator[Finding]:
    """What one process commits ends the answers that another one keeps, if both ask one cache."""
    processes = sum(process.replicas for process in model.topology.processes.values())
    kept = [operation.name for module in modules for operation in module.operations if operation.cached]
    if kept and processes > 1 and model.environment.cache.adapter == "memory" and not stored(model):
        file = f"platform/topologies/{model.topology.name}.yaml"
        text = f"{processes} processes have a cache each, and answers of {kept[0]} outlive the events that end them elsewhere"
        cure = "bind the environment's cache to one that they share (redis), or let one process play all roles"
        yield Finding("topology:cache", file, 0, text, cure)
