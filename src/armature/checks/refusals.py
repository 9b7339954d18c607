"""Rule `refusals`: a caller can meet exactly the refusals that a contract lists. One that is raised and not listed is answered
as a bug; one that is listed and never raised is code that every client writes for nothing."""

import ast
from collections.abc import Iterator, Mapping, Sequence

from armature.checks.contracts import ContractSource, Method, contract_source, keyword, named
from armature.checks.finding import Finding
from armature.checks.reach import Place, Reach
from armature.checks.tree import Source, Tree
from armature.engine.ddl import sentences

__all__ = ["findings"]


def findings(tree: Tree) -> list[Finding]:
    """Return refusals that are listed or raised by halves, wrongly named, or mapped to no index."""
    found: list[Finding] = []
    codes: dict[str, str] = {}
    for name, sources in tree.modules().items():
        contract = contract_source(sources)
        if contract.source is None:
            continue
        found += _named(contract, name, codes)
        found += _listed(contract, sources)
        found += _met(contract, sources)
        found += _constraints(contract, sources, _unique_indexes(tree, name))
    return found


def _named(contract: ContractSource, module: str, codes: dict[str, str]) -> Iterator[Finding]:
    source = contract.source
    assert source is not None
    for name, failure in contract.failures.items():
        given = keyword(failure, "code")
        code = given.value if isinstance(given, ast.Constant) else None
        if not isinstance(code, str) or keyword(failure, "kind") is None:
            text = f"{name} does not name its kind and its code"
            yield source.found(
                "refusals:code", failure, text, f'write class {name}(Failure, kind=Kind.…, code="{module}:reason")'
            )
            continue
        if not code.startswith(f"{module}:"):
            text = f"{name} has the code {code!r}"
            yield source.found("refusals:code", failure, text, f"begin it with the module's name: {module}:…")
        if code in codes:
            text = f"{name} has the code {code!r}, which {codes[code]} has too"
            yield source.found("refusals:code", failure, text, "give each refusal a code of its own")
        codes.setdefault(code, f"{name} in {source.file}")
        if ast.get_docstring(failure) is None:
            yield source.found(
                "refusals:doc", failure, f"{name} has no docstring", "its first line is what callers read; write it"
            )


def _listed(contract: ContractSource, sources: Sequence[Source]) -> Iterator[Finding]:
    source = contract.source
    assert source is not None
    listed = {name for methods in contract.methods.values() for method in methods.values() for name in _refuses(method)}
    raised = {name: place for one in sources if one.part != "contract" for name, place in _raised(one)}
    for name, failure in contract.failures.items():
        if name in raised and name not in listed:
            one, line = raised[name]
            text = f"{name} is raised, and no operation lists it"
            yield one.found("refusals:unlisted", line, text, "add it to refuses=[…] of the operations that can meet it")
        elif name not in raised:
            text = f"{name} is never raised"
            cure = "remove it" + (" there and in refuses=[…]" if name in listed else "") + ", or raise it where it belongs"
            yield source.found("refusals:unraised", failure, text, cure)


def _refuses(method: Method) -> set[str]:
    lists = [keyword(one, "refuses") for one in method.decorator_list if isinstance(one, ast.Call)]
    return {named(entry) for one in lists for entry in getattr(one, "elts", [])}


def _met(contract: ContractSource, sources: Sequence[Source]) -> Iterator[Finding]:
    """Operation by operation: what its calls may raise against what it lists."""
    reach = Reach(sources)
    listed = {name for methods in contract.methods.values() for method in methods.values() for name in _refuses(method)}
    mapped = {named(value) for _, value in _mapped(sources)}
    for service in (one for one in sources if one.part == "service"):
        for own in service.all(ast.ClassDef):
            methods = [contract.methods[named(base)] for base in own.bases if named(base) in contract.methods]
            for method in (one for several in methods for one in several.values()):
                raised, lost = reach.raises(Place(service.name, own.name, method.name))
                told = _refuses(method)
                for name in sorted((raised & listed & contract.failures.keys()) - told):
                    text = f"{method.name} can meet {name}, and does not list it"
                    yield _at(contract, method, "refusals:unlisted", text, f"add {name} to its refuses=[…]")
                for name in sorted((told & contract.failures.keys()) - raised - mapped):
                    raisers = reach.raisers(name)
                    if raisers and not lost & raisers:
                        text = f"{method.name} lists {name}, and nothing it calls raises it"
                        yield _at(contract, method, "refusals:unmet", text, f"remove {name} from its refuses=[…]")


def _at(contract: ContractSource, method: Method, rule: str, text: str, cure: str) -> Finding:
    assert contract.source is not None
    return contract.source.found(rule, method, text, cure)


def _mapped(sources: Sequence[Source]) -> Iterator[tuple[ast.expr | None, ast.expr]]:
    """The entries of `constraints={…}` in module.py."""
    for source in (one for one in sources if one.part == "module"):
        for call in source.all(ast.Call):
            given = keyword(call, "constraints")
            if isinstance(given, ast.Dict):
                yield from zip(given.keys, given.values, strict=True)


def _raised(source: Source) -> Iterator[tuple[str, tuple[Source, int]]]:
    """What may leave this file as a refusal: raised, given to `refuse=`, or mapped from a constraint."""
    for node in source.all(ast.Raise):
        if node.exc is not None:
            yield named(node.exc), (source, node.lineno)
    for call in source.all(ast.Call):
        refuse = keyword(call, "refuse")
        if refuse is not None:
            yield named(refuse), (source, call.lineno)
        constraints = keyword(call, "constraints")
        if isinstance(constraints, ast.Dict):
            yield from ((named(value), (source, value.lineno)) for value in constraints.values)


def _constraints(
    contract: ContractSource, sources: Sequence[Source], indexes: Mapping[str, tuple[str, int]]
) -> Iterator[Finding]:
    entry = next((one for one in sources if one.part == "module"), None)
    if entry is None:
        return
    mapped: set[str] = set()
    for key, value in _mapped(sources):
        index = str(key.value) if isinstance(key, ast.Constant) else ""
        mapped.add(index)
        if index not in indexes:
            cure = f"migrations create: {', '.join(sorted(indexes)) or 'none'}"
            yield entry.found("refusals:constraint", value, f"there is no unique index {index!r}", cure)
        required = _required(contract.failures.get(named(value)))
        if required:
            text = f"{named(value)} needs {', '.join(required)}, which a duplicate cannot fill in"
            yield entry.found("refusals:constraint", value, text, "remove the fields or give them defaults")
    for index, (file, line) in indexes.items():
        if index not in mapped:
            cure = f"add constraints={{{index!r}: …}} in module.py; a duplicate would be answered as a bug"
            yield Finding("refusals:constraint", file, line, f"nobody says what a duplicate in {index} means", cure)


def _required(failure: ast.ClassDef | None) -> list[str]:
    body = failure.body if failure else []
    return [ast.unparse(one.target) for one in body if isinstance(one, ast.AnnAssign) and one.value is None]


def _unique_indexes(tree: Tree, module: str) -> dict[str, tuple[str, int]]:
    found: dict[str, tuple[str, int]] = {}
    for path in sorted((tree.root / "modules" / module / "migrations").glob("*.sql")):
        for sentence in sentences(path.read_text(encoding="utf-8")):
            words = [word for word in sentence.words if word not in ("if", "not", "exists", "concurrently")]
            if words[:3] == ["create", "unique", "index"]:
                found[words[3]] = (path.relative_to(tree.root).as_posix(), sentence.line)
            elif words[:2] == ["drop", "index"]:
                found.pop(words[2], None)
    return found
