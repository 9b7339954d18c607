"""The rules, by name: the one list that the command line, the tests and the reference page read."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct, structs

from armature.checks import (
    boundaries,
    contract,
    docs,
    events,
    executors,
    exports,
    files,
    graph,
    layers,
    model,
    numbers,
    observability,
    outside,
    ownership,
    promises,
    refusals,
    topology,
    types,
    vendors,
)
from armature.checks.excuses import judged
from armature.checks.finding import Finding
from armature.checks.loading import project_of
from armature.checks.sql import SqlModule, check_sql, sql_module
from armature.checks.sql.on_postgres import check_on_postgres, check_recorded, framework
from armature.checks.tree import Tree, read_tree
from armature.runtime.project import Project

__all__ = ["RULES", "Rule", "ask_postgres", "check"]


class Rule(Struct, frozen=True):
    """A rule: one sentence, and the function that finds its violations."""

    text: str
    findings: Callable[[Tree], list[Finding]]


def _contracts(tree: Tree) -> list[Finding]:
    return [*contract.findings(tree), *promises.findings(tree)]


def _sql(tree: Tree) -> list[Finding]:
    if not isinstance(project_of(tree), Project):
        return []  # `check` says why; that each module is missing in contracts/sql.json would be said of none that is there
    modules = _sql_modules(tree)
    found = [*check_sql(modules), *check_recorded(tree.root, [*modules, *_own(tree)])]
    return [structs.replace(one, file=_below(tree.root, one.file)) for one in found]


def _sql_modules(tree: Tree) -> list[SqlModule]:
    project = project_of(tree)
    return [sql_module(module.folder) for module in project.modules] if isinstance(project, Project) else []


def _own(tree: Tree) -> list[SqlModule]:
    """The framework's statements, where the project is the framework's own."""
    return [framework()] if tree.framework else []


def ask_postgres(root: Path, url: str, into: Path | None = None) -> list[Finding]:
    """Ask a server about every statement; without findings write contracts/sql.json (below `into`, if given)."""
    tree = read_tree(root.absolute())
    found = check_on_postgres(into or tree.root, [*_sql_modules(tree), *_own(tree)], url)
    return [structs.replace(one, file=_below(tree.root, one.file)) for one in found]


def _below(root: Path, file: str) -> str:
    return Path(file).relative_to(root).as_posix() if Path(file).is_relative_to(root) else file


RULES: Mapping[str, Rule] = {
    "layers": Rule("imports of the framework point down, in the open, without circles", layers.findings),
    "exports": Rule("a framework file says what it offers, and nobody takes anything else", exports.findings),
    "vendors": Rule("a package is imported only where the table allows it", vendors.findings),
    "boundaries": Rule("a module sees the public face, its own files below, and neighbours' contracts", boundaries.findings),
    "outside": Rule("a module takes clock, ids and chance from ctx, and touches no file, socket or process", outside.findings),
    "graph": Rule("`uses:` says what is used, and modules need each other without circles", graph.findings),
    "files": Rule("modules consist of well-known files, and every file says why it exists", files.findings),
    "contracts": Rule(
        "operations are explained and guarded, services keep them, and contracts/ holds what was promised", _contracts
    ),
    "refusals": Rule("what is raised is listed, what is listed is raised, and constraints have names", refusals.findings),
    "events": Rule("events are named, explained and published", events.findings),
    "types": Rule("only the closed list of types crosses a contract, and no personal data is kept", types.findings),
    "ownership": Rule("tables are the module's own and declared; SQL stands where it is prepared", ownership.findings),
    "sql": Rule("every statement is prepared on the migrated schema, and its plan is read", _sql),
    "executors": Rule("projections, roles and commands say how they repeat, and something runs them", executors.findings),
    "model": Rule("platform/ loads in every pairing and hosts every module", model.findings),
    "topology": Rule("every role that is needed is seated, the pools fit, and caches are shared", topology.findings),
    "observability": Rule("each read model may be so late and no later, and each role says how it is", observability.findings),
    "numbers": Rule("the house numbers", numbers.findings),
    "docs": Rule("decisions have their four parts, and links lead somewhere", docs.findings),
}


_IMPORTING = frozenset(("contracts", "graph", "sql", "types"))
"""They say nothing of modules that cannot be imported; rule `model` does, and where it was not asked for, `check` itself."""


def check(root: Path, names: Sequence[str] = ()) -> list[Finding]:
    """Run rules (all of them without names) on the project at `root`; unknown names are a KeyError."""
    root = root.absolute()
    tree = read_tree(root)
    chosen = tuple(names) or tuple(RULES)
    found = [one for name in chosen for one in RULES[name].findings(tree)]
    if "files" not in chosen:
        found += tree.broken
    if "model" not in chosen and not _IMPORTING.isdisjoint(chosen):
        project = project_of(tree)
        found += () if isinstance(project, Project) else project
    return sorted(judged(root, list(dict.fromkeys(found)), chosen), key=lambda one: (one.file, one.line, one.rule))
