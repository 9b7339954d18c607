"""The modules of a project, found on disk and loaded: their manifests, contracts, statements and read models.

Nothing registers itself. A module is a folder under `modules/` with a `module.yaml`; what it is made of is read from its
well-known files.
"""

import importlib
import inspect
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_type_hints

import msgspec
from msgspec import Struct, field

from armature.engine.policies import Section
from armature.kernel.event import event_type
from armature.kernel.module import Needs
from armature.kernel.operation import Operation, feeds, operations
from armature.kernel.projection import Projection
from armature.kernel.reaction import Reaction
from armature.kernel.statement import Statement
from armature.runtime.documents import read
from armature.runtime.facts import ModuleFacts, operation_facts
from armature.runtime.graph import ordered
from armature.runtime.problems import ModelError, Problem
from armature.runtime.shape import check

__all__ = ["Loaded", "Manifest", "Project", "contract_name", "contracts_of", "load_project", "reaction_names"]

WITH_STATEMENTS = ("repository", "projections")
ONE_PROJECT = "load one project in a process, or give the modules of both different names"


class Manifest(Section, frozen=True):
    """`module.yaml`: what a module says of itself."""

    name: str
    """The module's name; also the beginning of its tables' names."""
    version: str = "0.1.0"
    """Its semantic version."""
    summary: str = ""
    """One sentence."""
    uses: list[str] = field(default_factory=list)
    """What it asks of its neighbours: `counter.get`, or `counter.get as module`."""
    grants: dict[str, list[str]] = field(default_factory=dict)
    """What neighbours may do in their own name: permissions by module."""
    tables: dict[str, Literal["tenant", "global"]] = field(default_factory=dict)
    """Its tables, and whether each belongs to one tenant or to the platform."""


class Loaded(Struct, frozen=True):
    """A module's code, imported and not yet built."""

    manifest: Manifest
    folder: Path
    package: str
    build: Any
    needs: type[Needs]
    contracts: tuple[type, ...]
    statements: tuple[Statement, ...]

    @property
    def name(self) -> str:
        """The module's name."""
        return self.manifest.name

    @property
    def neighbours(self) -> dict[str, type]:
        """Return the contracts the module needs, by field."""
        hints = get_type_hints(self.needs)
        return {name: hints[name] for name in self.needs.__struct_fields__ if _is_contract(hints[name])}

    def operations(self) -> Iterator[Operation]:
        """Return all operations of all contracts."""
        for contract in self.contracts:
            yield from operations(contract)

    def feeds(self) -> Iterator[Operation]:
        """Return all feeds of all contracts."""
        for contract in self.contracts:
            yield from feeds(contract)

    def ddl(self, projection: Projection) -> str:
        """Return the DDL of one of the module's projections."""
        return (self.folder / "projections" / projection.tables).read_text()

    def facts(self) -> ModuleFacts:
        """Return what plans and graphs need to know."""
        projections = (
            importlib.import_module(f"{self.package}.projections") if (self.folder / "projections.py").exists() else None
        )
        return ModuleFacts(
            name=self.name,
            version=self.manifest.version,
            operations=tuple(operation_facts(one) for one in (*self.operations(), *self.feeds())),
            projections=tuple(sorted(_projection_names(projections))) if projections else (),
            reactions=(self.folder / "reactions.py").exists(),
            hears=tuple(sorted(_heard(self.package, self.folder))),
            background=(self.folder / "background.py").exists(),
            needs=tuple(sorted({contract_name(contract) for contract in self.neighbours.values()})),
            tables=tuple(sorted(self.manifest.tables)),
        )


class Project(Struct, frozen=True):
    """All modules of a project, needed ones first."""

    root: Path
    modules: tuple[Loaded, ...]


def load_project(root: Path, names: Sequence[str] | None = None) -> Project:
    """Import the modules under `root/modules`; raises `ModelError` with everything that is wrong."""
    root = root.absolute()
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    folders = sorted(path.parent for path in (root / "modules").glob("*/module.yaml"))
    found: list[Loaded] = []
    problems: list[Problem] = []
    for folder in folders:
        if names is not None and folder.name not in names:
            continue
        try:
            found.append(_load(root, folder))
        except ModelError as error:
            problems += error.problems
    if names is not None:
        missing = sorted(set(names) - {folder.name for folder in folders})
        problems += [
            Problem("platform/topologies", 0, name, "names no module", "it needs modules/NAME/module.yaml") for name in missing
        ]
    if problems:
        raise ModelError(problems)
    by_name = {module.name: module for module in found}
    return Project(root, tuple(by_name[facts.name] for facts in ordered([module.facts() for module in found])))


def contract_name(contract: type) -> str:
    """Return the name in the contract's class line."""
    return str(vars(contract)["__contract_name__"])


def contracts_of(service: object) -> tuple[type, ...]:
    """Return the contracts a service implements."""
    return tuple(base for base in type(service).__mro__ if "__contract_name__" in vars(base))


def _load(root: Path, folder: Path) -> Loaded:
    shown_as = f"modules/{folder.name}/module.yaml"
    document = read(folder / "module.yaml", shown_as=shown_as)
    problems = check(document, Manifest)
    if "name" not in document.values:
        problems.append(document.problem((), "has no name", f"write `name: {folder.name}`"))
    elif document.values["name"] != folder.name:
        problems.append(document.problem(("name",), "is not the folder's name", f"write `name: {folder.name}`"))
    if problems:
        raise ModelError(problems)
    manifest = msgspec.convert(document.values, Manifest)
    package = f"modules.{folder.name}"
    entry = _imported(package, "module", shown_as)
    build = getattr(entry, "build", None)
    if build is None:
        raise ModelError([document.problem((), "module.py has no build(needs)", "see modules/counter/module.py")])
    needs = next(iter(get_type_hints(build).values()), None)
    if not (isinstance(needs, type) and issubclass(needs, Needs)):
        raise ModelError([document.problem((), "build in module.py does not say what it needs", "write build(needs: Needs)")])
    contract = _imported(package, "contract", shown_as)
    own, taken = folder / "contract.py", Path(str(contract.__file__))
    if own.exists() and taken.exists() and own.read_bytes() != taken.read_bytes():
        raise ModelError([document.problem((), f"has another contract than {taken}, which this process took first", ONE_PROJECT)])
    return Loaded(
        manifest,
        folder,
        package,
        build,
        needs,
        tuple(value for value in vars(contract).values() if _is_contract(value) and value.__module__ == contract.__name__),
        tuple(_statements(package, folder, shown_as)),
    )


def _imported(package: str, name: str, shown_as: str) -> ModuleType:
    try:
        return importlib.import_module(f"{package}.{name}")
    except (ImportError, TypeError, SyntaxError, NameError) as error:
        file = shown_as.replace("module.yaml", f"{name}.py")
        raise ModelError(
            [Problem(file, 0, "", f"cannot be imported: {error}", "mend it; `python -c 'import …'` shows the place")]
        ) from error


def _statements(package: str, folder: Path, shown_as: str) -> Iterator[Statement]:
    for name in WITH_STATEMENTS:
        if (folder / f"{name}.py").exists() or (folder / name).is_dir():
            if name == "projections" and not (folder / "projections.py").exists():
                continue
            module = _imported(package, name, shown_as)
            for value in vars(module).values():
                for one in value.values() if isinstance(value, dict) else (value,):
                    if isinstance(one, Statement):
                        yield one


def _projection_names(module: ModuleType) -> Iterator[str]:
    for value in vars(module).values():
        if inspect.isclass(value) and value.__module__ == module.__name__ and hasattr(value, "folds"):
            yield str(vars(value)["name"])


def reaction_names(project: Project) -> frozenset[str]:
    """Return what the reactions of all modules are called."""
    return frozenset(one.name for module in project.modules for one in _reactions(module.package, module.folder))


def _heard(package: str, folder: Path) -> set[str]:
    """The modules whose events a module's reactions take."""
    return {event_type(event).domain for one in _reactions(package, folder) for event in one.methods()}


def _reactions(package: str, folder: Path) -> list[type[Reaction]]:
    if not (folder / "reactions.py").exists():
        return []
    found = vars(importlib.import_module(f"{package}.reactions")).values()
    return [one for one in found if inspect.isclass(one) and issubclass(one, Reaction) and one is not Reaction]


def _is_contract(value: Any) -> bool:
    return isinstance(value, type) and "__contract_name__" in vars(value)
