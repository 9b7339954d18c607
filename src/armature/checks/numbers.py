"""Rule `numbers`: the house numbers as gates. The median of anything is short everywhere; it is the long tail that tells a
house that is kept from one that is not (style, house numbers)."""

import ast
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

from armature.checks.contracts import Method, named, subclasses
from armature.checks.finding import Finding
from armature.checks.tree import FACE, Source, Tree

__all__ = ["GATES", "findings"]

GATES = {
    "file": 400,
    "function": 50,
    "parameters": 6,
    "methods": 15,
    "port": 8,
    "exports": 15,
    "face": 40,
    "needs": 7,
    "manifest": 25,
    "root": 16,
}


def findings(tree: Tree) -> list[Finding]:
    """Return what is over a gate."""
    found = [
        one for source in tree.sources for one in (*_file(source), *_functions(source), *_classes(source), *_exports(source))
    ]
    for name in tree.module_names:
        found += _manifest(tree.root, f"modules/{name}/module.yaml")
    return found + list(_root(tree.root))


def _over(rule: str, count: int, gate: str) -> str | None:
    return f"{rule} {count}, and the gate is {GATES[gate]}" if count > GATES[gate] else None


def _file(source: Source) -> Iterator[Finding]:
    text = _over("its lines are", source.text.count("\n"), "file")
    if text:
        yield source.found("numbers:file", 0, text, "split it by subject; a service by use case, or the module in two")


def _functions(source: Source) -> Iterator[Finding]:
    methods = {id(node) for own in source.all(ast.ClassDef) for node in own.body}
    for function in source.functions():
        lines = (function.end_lineno or 0) - function.lineno + 1
        text = _over(f"{function.name}: its lines are", lines, "function")
        if text:
            yield source.found("numbers:function", function, text, "name its steps and give each a function")
        text = _over(f"{function.name}: its parameters are", _parameters(function, id(function) in methods), "parameters")
        # A test's parameters are filled in by name, by its runner.
        if text and not source.in_tests:
            yield source.found("numbers:parameters", function, text, "put what belongs together into a struct")


def _parameters(function: Method, method: bool) -> int:
    """`self` and the context are how a method is called, not what it is told."""
    names = [one.arg for one in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)]
    if method and names and not any(named(one) == "staticmethod" for one in function.decorator_list):
        names = names[1:]
    return len(names) - (names[:1] == ["ctx"])


def _classes(source: Source) -> Iterator[Finding]:
    in_ports = source.name.startswith(f"{FACE}.ports.")
    ports = set(subclasses(source, "Protocol")) if in_ports else set()
    for own in source.all(ast.ClassDef) if not source.in_tests else ():
        public = [node for node in own.body if isinstance(node, Method) and not node.name.startswith(("_", "test_", "law_"))]
        text = _over(f"{own.name}: its public methods are", len(public), "methods")
        if text:
            yield source.found("numbers:methods", own, text, "it is two things; give each a class")
        text = _over(f"{own.name}: the port's methods are", len(public), "port") if own in ports else None
        if text:
            yield source.found("numbers:port", own, text, "a port is a few verbs; split it by who calls")
    for own in subclasses(source, "Needs"):
        text = _over(f"{own.name}: its fields are", sum(isinstance(node, ast.AnnAssign) for node in own.body), "needs")
        if text:
            yield source.found("numbers:needs", own, text, "a module that needs so much is two modules")


def _exports(source: Source) -> Iterator[Finding]:
    text = _over("the names in __all__ are", len(source.exported or ()), "face" if source.name == FACE else "exports")
    if text:
        yield source.found("numbers:exports", 0, text, "split the file by subject, or keep more to itself")


def _manifest(root: Path, file: str) -> Iterator[Finding]:
    lines = (root / file).read_text(encoding="utf-8").count("\n") if (root / file).is_file() else 0
    text = _over("its lines are", lines, "manifest")
    if text:
        yield Finding("numbers:manifest", file, 0, text, "a module that uses or owns so much is two modules")


def _root(root: Path) -> Iterator[Finding]:
    """Entries that everybody who opens the repository sees; what git ignores is not shipped."""
    ignore = root / ".gitignore"
    lines = ignore.read_text(encoding="utf-8").splitlines() if ignore.is_file() else []
    patterns = [line.strip().strip("/") for line in lines if line.strip() and not line.startswith("#")]
    shown = [
        path.name
        for path in root.iterdir()
        if not path.name.startswith((".", "__pycache__")) and not any(fnmatch(path.name, one) for one in patterns)
    ]
    text = _over("the entries at the root are", len(shown), "root")
    if text:
        yield Finding("numbers:root", ".", 0, text, f"move some down: {', '.join(sorted(shown))}")
