"""Rule `model`: every file in `platform/` loads in every pairing, hosts every module, and plays the roles the modules need.
A model that nothing executes is a drawing."""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

from armature.checks.contracts import subclasses
from armature.checks.finding import Finding
from armature.checks.loading import as_findings, project_of
from armature.checks.tree import Tree
from armature.runtime.facts import ModuleFacts
from armature.runtime.model import Model, load
from armature.runtime.problems import ModelError, suggestion
from armature.runtime.project import Project
from armature.runtime.schemas import FOLDER, schemas

__all__ = ["findings", "unhosted"]

_KNOWN = frozenset({"topologies", "environments", "schemas", "policies.yaml", "excused.yaml"})


def findings(tree: Tree) -> list[Finding]:
    """Return what is wrong with the model, and where it and the modules disagree."""
    project = project_of(tree)
    found = [] if isinstance(project, Project) else list(project)
    facts = [module.facts() for module in project.modules] if isinstance(project, Project) else None
    if (tree.root / "platform").is_dir():
        found += [*_files(tree.root / "platform"), *_loads(tree, facts), *_schemas(tree)]
    return list(dict.fromkeys(found))


def _files(folder: Path) -> Iterator[Finding]:
    """A file with another ending is read by nobody, and says nothing about it."""
    strangers = [path for path in folder.iterdir() if path.name not in _KNOWN]
    for inner in ("topologies", "environments"):
        strangers += [path for path in (folder / inner).glob("*") if path.suffix != ".yaml"]
    for path in sorted(strangers):
        if not path.name.startswith("."):
            file = path.relative_to(folder.parent).as_posix()
            yield Finding(
                "model:files", file, 0, "nobody reads it", "platform/ holds topologies/*.yaml, environments/*.yaml, policies.yaml"
            )


def _loads(tree: Tree, facts: list[ModuleFacts] | None) -> Iterator[Finding]:
    folder = tree.root / "platform"
    topologies = sorted(path.stem for path in (folder / "topologies").glob("*.yaml"))
    environments = sorted(path.stem for path in (folder / "environments").glob("*.yaml"))
    named = {topology: _own_environment(folder / "topologies" / f"{topology}.yaml") for topology in topologies}
    # One that a topology names and that is not there is no pairing, and yet the one that its start would try.
    lost = [(topology, own) for topology, own in named.items() if own not in environments]
    for topology, environment in [*itertools.product(topologies, environments), *lost]:
        try:
            model = load(tree.root, topology=topology, environment=environment, environ={})
        except ModelError as refused:
            # A topology of several databases is for the environments that have them; its own is one.
            own = environment == named[topology]
            problems = [one for one in refused.problems if own or not re.fullmatch(r"processes\.\w+\.database", one.key)]
            yield from as_findings("model:load", problems)
            continue
        if environment == environments[0]:
            yield from unhosted(tree, model)
        if topology == topologies[0] and facts is not None:
            yield from _strangers(model, facts)


def _own_environment(file: Path) -> str:
    named = re.search(r"^environment:\s*(\S+)", file.read_text(encoding="utf-8"), re.MULTILINE)
    return named[1] if named else "dev"


def unhosted(tree: Tree, model: Model) -> Iterator[Finding]:
    """Return modules and roles that a topology leaves out."""
    file = f"platform/topologies/{model.topology.name}.yaml"
    processes = model.topology.processes.values()
    names = tree.module_names
    hosted = {name for process in processes for name in (names if process.modules == "*" else process.modules)}
    for name in sorted(hosted - set(names)):
        yield Finding("model:hosts", file, 0, f"it hosts '{name}', which is no module", suggestion(name, names))
    for name in sorted(set(names) - hosted):
        yield Finding(
            "model:hosts", file, 0, f"no process hosts the module '{name}'", 'name it in a process, or write modules: "*"'
        )
    for name, sources in tree.modules().items():
        playing = [one for one in processes if one.modules == "*" or name in one.modules]
        roles = {role for process in playing for role in process.roles}
        folds = any(True for source in sources for _ in subclasses(source, "Projection"))
        # What other processes are answered for has an edge in front of it somewhere.
        afar = "neighbour" in roles and any("http" in process.roles for process in processes)
        for role, needed in (("http", not afar and "grpc" not in roles), ("projector", folds)):
            if needed and playing and role not in roles:
                text = f"no process that hosts '{name}' plays the role {role}"
                yield Finding("model:roles", file, 0, text, f"add {role} to the roles of one of them")


def _strangers(model: Model, facts: list[ModuleFacts]) -> Iterator[Finding]:
    """Permissions and limits of what no module has: a slip of the hand that gives nobody anything, or limits nothing."""
    operations = {one.name: one.permission for module in facts for one in module.operations}
    permissions = {permission for permission in operations.values() if permission}
    for role, held in model.policies.roles.items():
        for one in sorted(set(held) - {"*", *permissions}):
            text = f"roles.{role}: no operation wants the permission '{one}'"
            yield Finding("model:policies", model.origins["roles"], 0, text, suggestion(one, permissions))
    for name in sorted(set(model.policies.limits.operations) - set(operations)):
        text = f"limits.operations: there is no operation '{name}'"
        yield Finding("model:policies", model.origins["limits.operations"], 0, text, suggestion(name, operations))


def _schemas(tree: Tree) -> Iterator[Finding]:
    if not (tree.root / FOLDER).is_dir():
        return
    for name, text in schemas().items():
        path = tree.root / FOLDER / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            cure = "run `armature contracts` and commit the file"
            yield Finding("model:schemas", f"{FOLDER}/{name}", 0, "it is not what the code reads", cure)
