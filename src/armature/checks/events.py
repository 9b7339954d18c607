"""Rule `events`: what a module tells is said by somebody and explained. A fact that nobody publishes leaves its listeners
waiting for ever, and no test of theirs can notice."""

import ast
from collections.abc import Iterator, Sequence

from armature.checks.contracts import ContractSource, contract_source, named, subclasses
from armature.checks.finding import Finding
from armature.checks.tree import Source, Tree

__all__ = ["findings"]


def findings(tree: Tree) -> list[Finding]:
    """Return events without a name, an explanation or somebody who publishes them."""
    found: list[Finding] = []
    names: dict[str, str] = {}
    for module, sources in tree.modules().items():
        contract = contract_source(sources)
        found += _misplaced(sources)
        if contract.source is not None:
            found += _events(contract, contract.source, module, sources, names)
    return found


def _events(
    contract: ContractSource, source: Source, module: str, sources: Sequence[Source], names: dict[str, str]
) -> Iterator[Finding]:
    made = {named(call) for one in sources if one.part != "contract" for call in one.all(ast.Call)}
    for event in subclasses(source, "Event"):
        name = contract.events.get(event.name)
        if name is None:
            text = f"{event.name} has no @event(…) above its class"
            yield source.found("events:name", event, text, f'write @event("{module}.fact", schema=1, stream="…_id")')
            continue
        if not name.startswith(f"{module}."):
            text = f"{event.name} is called {name!r}"
            yield source.found("events:name", event, text, f"begin it with the module's name: {module}.…")
        if name in names:
            yield source.found("events:name", event, f"{name!r} is also {names[name]}", "give each event a name of its own")
        names.setdefault(name, f"{event.name} in {source.file}")
        if ast.get_docstring(event) is None:
            text = f"{event.name} has no docstring"
            yield source.found("events:doc", event, text, "say what has happened when it is heard")
        if event.name not in made:
            text = f"nobody publishes {event.name}"
            yield source.found("events:unpublished", event, text, "publish it with the change it reports, or remove it")


def _misplaced(sources: Sequence[Source]) -> Iterator[Finding]:
    for source in sources:
        for event in subclasses(source, "Event") if source.part != "contract" else ():
            text = f"{event.name} is declared in {source.part}, where no neighbour can see it"
            yield source.found("events:place", event, text, "move it to contract.py")
