"""Rule `graph`: `uses:` in module.yaml is true. Who asks whom for what is read from one line per module, by people who plan
topologies and permissions; a line that lies is worse than none.

An entry names an operation (`counter.get`, which is asked as the actor, or `counter.get as module`), an event
(`counter.changed`), or, where only a contract's types are taken, the neighbour alone (`counter`).
"""

import ast
import re
from collections.abc import Iterator, Mapping

from msgspec import Struct

from armature.checks.contracts import ContractSource, contract_source
from armature.checks.finding import Finding
from armature.checks.layers import circle
from armature.checks.loading import as_findings, project_of
from armature.checks.manifest import ManifestSource, manifest_source
from armature.checks.tree import Source, Tree
from armature.runtime.project import Project
from armature.runtime.uses import problems

__all__ = ["findings"]


class _Use(Struct, frozen=True):
    entry: str
    source: Source
    line: int


def findings(tree: Tree) -> list[Finding]:
    """Return what is used and not declared, declared and not used, unknown, or going in a circle."""
    modules = tree.modules()
    contracts = {name: contract_source(sources) for name, sources in modules.items()}
    found: list[Finding] = []
    needs: dict[str, list[str]] = {}
    for name, sources in modules.items():
        uses = list(_uses(name, sources, contracts))
        manifest = manifest_source(tree.root, name)
        needs[name] = sorted({use.entry.partition(".")[0] for use in uses})
        found += [*_missing(uses, manifest), *_surplus(uses, manifest, contracts)]
    return [*found, *_circles(needs), *_terms(tree)]


def _terms(tree: Tree) -> Iterator[Finding]:
    """In whose name neighbours are asked, and what that needs; a start refuses the same."""
    project = project_of(tree)
    if isinstance(project, Project):  # rule `model` says why it is none
        yield from as_findings("graph:terms", sorted(problems(project)))


def _uses(name: str, sources: list[Source], contracts: dict[str, ContractSource]) -> Iterator[_Use]:
    """Everything a module takes from its neighbours, each with the first place."""
    for source in sources:
        for one in source.imports:
            parts = one.module.split(".")
            if parts[0] != "modules" or parts[1:2] == [name] or len(parts) < 2:
                continue
            neighbour = contracts.get(parts[1], ContractSource())
            event = neighbour.events.get(one.name or "")
            yield _Use(event or parts[1], source, one.line)
            if one.name and one.name in neighbour.operations:
                yield from _calls(sources, one.alias, parts[1], neighbour.operations[one.name])


def _calls(sources: list[Source], contract: str, neighbour: str, operations: Mapping[str, int]) -> Iterator[_Use]:
    held = _holders(sources, contract)
    for source in sources:
        for node in source.all(ast.Attribute):
            owner = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
            if owner in held and node.attr in operations:
                yield _Use(f"{neighbour}.{node.attr}", source, node.lineno)


def _holders(sources: list[Source], contract: str) -> set[str]:
    """Names and attributes that hold the neighbour: annotated with its type, or assigned from one that is."""
    held: set[str] = set()
    for source in sources:
        for argument in source.all(ast.arg):
            if argument.annotation is not None and _says(argument.annotation, contract):
                held.add(argument.arg)
        for field in source.all(ast.AnnAssign):
            if _says(field.annotation, contract):
                held.add(ast.unparse(field.target).rpartition(".")[2])
    for source in sources:
        for assign in source.all(ast.Assign):
            if ast.unparse(assign.value).rpartition(".")[2] in held:
                held |= {ast.unparse(target).rpartition(".")[2] for target in assign.targets}
    return held


def _says(annotation: ast.expr, contract: str) -> bool:
    return re.search(rf"\b{contract}\b", ast.unparse(annotation)) is not None


def _missing(uses: list[_Use], manifest: ManifestSource) -> Iterator[Finding]:
    told: set[str] = set()
    declared = {entry.partition(" ")[0] for entry in manifest.uses}
    fine = {use.entry.partition(".")[0] for use in uses if "." in use.entry}
    for use in sorted(uses, key=lambda use: use.entry):
        # Whoever calls an operation takes the contract's types along; that needs no line of its own.
        implied = "." not in use.entry and (use.entry in fine or any(one.startswith(f"{use.entry}.") for one in declared))
        if use.entry not in declared and use.entry not in told and not implied:
            told.add(use.entry)
            text = f"it uses {use.entry}, and module.yaml does not say so"
            yield use.source.found("graph:missing", use.line, text, f"add `{use.entry}` to `uses:` in {manifest.file}")


def _surplus(uses: list[_Use], manifest: ManifestSource, contracts: dict[str, ContractSource]) -> Iterator[Finding]:
    used = {use.entry for use in uses}
    for entry, line in manifest.uses.items():
        wanted = entry.partition(" ")[0]
        neighbour, _, fact = wanted.partition(".")
        if neighbour not in contracts:
            text, cure = f"there is no module '{neighbour}'", f"there are: {', '.join(sorted(contracts))}"
        elif fact and not contracts[neighbour].offers(wanted):
            text, cure = f"{neighbour} has no operation or event '{fact}'", f"it has: {', '.join(contracts[neighbour].facts())}"
        elif wanted not in used:
            text, cure = f"it says that it uses {wanted}, and does not", "remove the line"
        else:
            continue
        yield Finding("graph:surplus", manifest.file, line, text, cure)


def _circles(needs: dict[str, list[str]]) -> Iterator[Finding]:
    for trail in circle(needs):
        cure = f"let one hear of the other by events; for instance {trail[1]} publishes and {trail[0]} reacts"
        text = f"modules need each other: {' → '.join(trail)}"
        yield Finding("graph:cycle", f"modules/{trail[0]}/module.yaml", 0, text, cure)
