"""Rule `contracts`, its half on the source: a contract is complete, and the service keeps it. Routes, documents, clients and
permissions are derived from these lines; what is missing here is missing everywhere."""

import ast
from collections.abc import Iterator, Sequence

from armature.checks.contracts import ContractSource, Method, contract_source, keyword, named, subclasses
from armature.checks.finding import Finding
from armature.checks.tree import Source, Tree

__all__ = ["EFFECTS", "findings"]

EFFECTS = frozenset(["Mail", "Blobs", "Signal", "Http", "Search", "Wakeups"])
"""Ports that change the world or ask it; a command that may run twice must not hold one (laws 6)."""

_DECIDING = ("service", "repository", "projections", "domain")
_ALLOWED = {
    "idempotency": ("optional", "required", "none"),
    "scope": ("tenant", "platform"),
}


def findings(tree: Tree) -> list[Finding]:
    """Return what contracts leave out, and where services differ from them."""
    found: list[Finding] = []
    for sources in tree.modules().values():
        contract = contract_source(sources)
        found += [*_operations(contract), *_services(contract, sources), *_effects(sources)]
    return found


def _operations(contract: ContractSource) -> Iterator[Finding]:
    source = contract.source
    if source is None:
        return
    for name, own in contract.contracts.items():
        if ast.get_docstring(own) is None:
            yield source.found("contracts:doc", own, f"{name} has no docstring", "say in one sentence what others may ask of it")
        for method in contract.methods[name].values():
            yield from _operation(source, f"{name}.{method.name}", method)


def _operation(source: Source, where: str, method: Method) -> Iterator[Finding]:
    if ast.get_docstring(method) is None:
        yield source.found("contracts:doc", method, f"{where} has no docstring", "say what it does; it becomes its description")
    arguments = method.args.posonlyargs + method.args.args
    if len(arguments) > 2 or method.args.vararg or method.args.kwarg:
        text = f"{where} takes arguments by position"
        yield source.found("contracts:arguments", method, text, "put a `*,` after ctx and name each argument")
    if method.returns is None:
        yield source.found("contracts:result", method, f"{where} does not say what it returns", "annotate it; None is a result")
    for decorator in method.decorator_list:
        if isinstance(decorator, ast.Call) and named(decorator) in ("query", "command", "feed"):
            yield from _declared(source, where, method, decorator)


def _declared(source: Source, where: str, method: Method, decorator: ast.Call) -> Iterator[Finding]:
    public = keyword(decorator, "public")
    is_public = isinstance(public, ast.Constant) and public.value is True
    if is_public == (keyword(decorator, "permission") is not None):
        text = f"{where} has {'both a permission and public=True' if is_public else 'no permission'}"
        yield source.found("contracts:permission", method, text, 'write permission="module:verb", or public=True, not both')
    for name, allowed in _ALLOWED.items():
        given = keyword(decorator, name)
        if isinstance(given, ast.Constant) and given.value not in allowed:
            text = f"{where} declares {name}={given.value!r}"
            yield source.found("contracts:word", given, text, f"write one of: {', '.join(allowed)}")
    if named(decorator) == "query" and keyword(decorator, "idempotency") is not None:
        yield source.found("contracts:word", decorator, f"{where} reads, and takes an idempotency key", "remove idempotency=")


def _services(contract: ContractSource, sources: Sequence[Source]) -> Iterator[Finding]:
    source = contract.source
    if source is None:
        return
    services = [(one, own) for one in sources if one.part == "service" for own in one.all(ast.ClassDef)]
    classes = {own.name: own for _, own in services}
    for name, methods in contract.methods.items():
        keeping = [(one, own) for one, own in services if name in {named(base) for base in own.bases}]
        if methods and not keeping:
            yield source.found(
                "contracts:service", contract.contracts[name], f"nobody implements {name}", f"write class …({name}) in service.py"
            )
        for one, own in keeping:
            kept = dict(_methods(own, classes))
            for operation, method in methods.items():
                if any(named(mark) == "feed" for mark in method.decorator_list):
                    continue  # served from the log; there is nothing to implement
                if operation not in kept:
                    text = f"{own.name} does not implement {operation}"
                    yield one.found("contracts:service", own, text, f"write async def {operation}, as {name} declares it")
                else:
                    yield from _same(one, own.name, method, kept[operation])


def _methods(own: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> Iterator[tuple[str, Method]]:
    for base in own.bases:
        if named(base) in classes and named(base) != own.name:
            yield from _methods(classes[named(base)], classes)
    yield from ((node.name, node) for node in own.body if isinstance(node, Method))


def _same(source: Source, service: str, declared: Method, kept: Method) -> Iterator[Finding]:
    """Defaults live in the contract: the pipeline fills them in, and a call from inside must mean the same."""
    theirs, ours = _defaults(declared), _defaults(kept)
    for name in [*theirs, *(name for name in ours if name not in theirs)]:
        where = f"{service}.{kept.name}"
        if name not in ours:
            yield source.found("contracts:arguments", kept, f"{where} lacks the argument {name}", "take it from the contract")
        elif name not in theirs:
            yield source.found(
                "contracts:arguments", kept, f"{where} takes {name}, which the contract does not name", "remove it"
            )
        elif theirs[name] != ours[name]:
            text = f"{where} has {name}={ours[name]}, the contract {name}={theirs[name]}"
            yield source.found("contracts:default", kept, text, "write the contract's default")


def _defaults(method: Method) -> dict[str, str]:
    arguments = zip(method.args.kwonlyargs, method.args.kw_defaults, strict=True)
    return {one.arg: ast.unparse(default) if default is not None else "(none)" for one, default in arguments}


def _effects(sources: Sequence[Source]) -> Iterator[Finding]:
    for source in sources:
        for one in source.imports if source.part in _DECIDING else ():
            if one.top == "armature" and one.name in EFFECTS:
                text = f"{source.part} asks for {one.name}, and a command that runs again would act twice"
                cure = "ask for it in external.py, jobs, workflows, background or http.py; a service plans a job instead"
                yield source.found("contracts:effects", one.line, text, cure)
    for source in (one for one in sources if one.part == "service"):
        for own in subclasses(source, "Needs"):
            yield source.found("contracts:needs", own, f"{own.name} stands in service.py", "write it in module.py, beside build")
