"""Rule `executors`: whatever is declared is executed by something that says how it repeats and recovers. A projection that
no module lists is never folded; a role without code is a word in a file."""

import ast
from collections.abc import Iterator, Mapping, Sequence

from armature.checks.contracts import ContractSource, contract_source, keyword, named, subclasses
from armature.checks.finding import Finding
from armature.checks.tree import FRAMEWORK, Source, Tree

__all__ = ["ROLE_CODE", "findings"]

ROLE_CODE: Mapping[str, str] = {
    "http": f"{FRAMEWORK}/edges/http/server.py",
    "grpc": f"{FRAMEWORK}/edges/grpc/server.py",
}
"""Where a role's code stands when it is not `runtime/roles/<role>.py`."""

_MUST_SAY = {
    "name": "what a checkpoint, a replay and a gauge are called",
    "version": "when a fold has changed its meaning and is built again",
    "tables": "which DDL a new generation is made of",
    "order": "what must arrive in order, and whether a poisoned stream may be parked",
}


def findings(tree: Tree) -> list[Finding]:
    """Return projections and roles that are declared by halves or executed by nobody."""
    modules = tree.modules()
    contracts = {name: contract_source(sources) for name, sources in modules.items()}
    events = {event for contract in contracts.values() for event in contract.events}
    found = [one for name, sources in modules.items() for one in _module(tree, name, sources, events)]
    return [*found, *_roles(tree), *_commands(contracts)]


def _module(tree: Tree, name: str, sources: Sequence[Source], events: set[str]) -> Iterator[Finding]:
    projections = [(source, own) for source in sources for own in subclasses(source, "Projection")]
    listed = _listed(sources)
    used: set[str] = set()
    for source, own in projections:
        yield from _says(source, own, name)
        yield from _folds(source, own, events)
        tables = keyword(own, "tables")
        file = str(tables.value) if isinstance(tables, ast.Constant) else ""
        used.add(file)
        if file and not (tree.root / "modules" / name / "projections" / file).is_file():
            text = f"{own.name} is made of projections/{file}, which does not exist"
            yield source.found("executors:tables", own, text, "write the DDL of its tables there")
        if own.name not in listed:
            text = f"{own.name} is never folded: module.py does not list it"
            yield source.found("executors:unlisted", own, text, f"write projections=[{own.name}(), …] in module.py")
    folder = tree.root / "modules" / name / "projections"
    for path in sorted(folder.glob("*.sql")):
        if path.name not in used:
            file = path.relative_to(tree.root).as_posix()
            yield Finding(
                "executors:tables", file, 0, "no projection is made of it", f'name it with tables="{path.name}", or remove it'
            )


def _listed(sources: Sequence[Source]) -> set[str]:
    calls = [call for source in sources if source.part == "module" for call in source.all(ast.Call)]
    given = [value for call in calls if (value := keyword(call, "projections")) is not None]
    return {named(entry) for value in given for entry in ast.walk(value) if isinstance(entry, ast.expr)}


def _says(source: Source, own: ast.ClassDef, module: str) -> Iterator[Finding]:
    for word, why in _MUST_SAY.items():
        if keyword(own, word) is None:
            text = f"{own.name} does not say its {word}"
            yield source.found("executors:projection", own, text, f"add {word}=… to its class line: {why}")
    name = keyword(own, "name")
    if isinstance(name, ast.Constant) and not str(name.value).startswith(f"{module}."):
        text = f"{own.name} is called {name.value!r}"
        yield source.found("executors:projection", own, text, f"begin it with the module's name: {module}.…")


def _folds(source: Source, own: ast.ClassDef, events: set[str]) -> Iterator[Finding]:
    folded: set[str] = set()
    for method in (node for node in own.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
        for decorator in method.decorator_list:
            if not isinstance(decorator, ast.Call) or named(decorator) != "on":
                continue
            if isinstance(method, ast.AsyncFunctionDef):
                text = f"{own.name}.{method.name} awaits, and a fold calls nothing"
                yield source.found("executors:fold", method, text, "write `def`: a fold only plans changes")
            for event in map(named, decorator.args):
                if event not in events:
                    text = f"{own.name}.{method.name} folds {event}, which no contract declares as an event"
                    yield source.found("executors:fold", method, text, "declare it with @event in a contract, or fold another")
                if event in folded:
                    text = f"{own.name} folds {event} twice, and only one of them runs"
                    yield source.found("executors:fold", method, text, "put both into one method")
                folded.add(event)
    if not folded:
        yield source.found("executors:fold", own, f"{own.name} folds no event", "mark a method with @on(Event)")


def _commands(contracts: Mapping[str, ContractSource]) -> Iterator[Finding]:
    """A command may repeat safely by its key; one that takes none says so where a reader asks why."""
    for contract in contracts.values():
        for methods in contract.methods.values():
            for method in methods.values():
                yield from _unkeyed(contract, method)


def _unkeyed(contract: ContractSource, method: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Finding]:
    for decorator in method.decorator_list:
        given = keyword(decorator, "idempotency") if isinstance(decorator, ast.Call) else None
        if named(decorator) == "command" and isinstance(given, ast.Constant) and given.value == "none" and contract.source:
            said = (ast.get_docstring(method) or "").lower()
            if not any(word in said for word in ("repeat", "again", "twice", "retr", "idempot")):
                text = f"{method.name} takes no idempotency key and does not say what a repeated call does"
                cure = 'say in its docstring what happens when it is called twice, or remove idempotency="none"'
                yield contract.source.found("executors:repeat", method, text, cure)


def _roles(tree: Tree) -> Iterator[Finding]:
    source = tree.by_name.get("armature.runtime.topology")
    for assign in source.all(ast.Assign) if source else []:
        if source and ast.unparse(assign.targets[0]) == "Role" and isinstance(assign.value, ast.Subscript):
            for node in (node for node in ast.walk(assign.value.slice) if isinstance(node, ast.Constant)):
                role = str(node.value)
                file = ROLE_CODE.get(role, f"{FRAMEWORK}/runtime/roles/{role}.py")
                if not (tree.root / file).is_file():
                    text = f"the role '{role}' has no code"
                    yield source.found("executors:role", node, text, f"write {file}, or remove the role")
