"""Rule `exports`: a file of the framework says what it offers, and nobody takes anything else. What is not offered may change
without asking anyone."""

import ast
from collections.abc import Iterator

from armature.checks.finding import Finding
from armature.checks.imports import Import
from armature.checks.tree import FACE, Source, Tree

__all__ = ["findings"]


def findings(tree: Tree) -> list[Finding]:
    """Return files without `__all__` that others import, names in it that do not exist, and imports of what is not in it."""
    found: list[Finding] = []
    wanted: set[str] = set()
    for source in tree.sources:
        ours = source.framework or source.module is not None
        for one in source.imports if ours else ():
            if one.module != source.name:
                wanted.add(one.module)
                found += _taken(tree, source, one)
        found += _through(tree, source) if ours else ()
    for source in tree.framework:
        found += _offered(source, source.name in wanted)
    return found


def _offered(source: Source, wanted: bool) -> Iterator[Finding]:
    offered = source.exported
    if offered is None:
        if wanted and source.tree.body[1:]:
            cure = "write __all__ = […] below its imports, with what others may use"
            yield source.found("exports:undeclared", 1, "others import from it, and it does not say what it offers", cure)
        return
    defined = _defined(source)
    for name in offered:
        if name not in defined:
            yield source.found("exports:unknown", 1, f"__all__ names {name!r}, which does not exist", "remove it, or define it")
    if len(set(offered)) < len(offered):
        yield source.found("exports:unknown", 1, "__all__ names something twice", "remove one")


def _defined(source: Source) -> set[str]:
    names = {one.alias for one in source.imports if not one.in_function}
    for node in source.tree.body:
        for inner in (node, *getattr(node, "body", ()), *getattr(node, "orelse", ())):
            if isinstance(inner, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                names.add(inner.name)
            targets = inner.targets if isinstance(inner, ast.Assign) else [getattr(inner, "target", None)]
            names |= {name.id for target in targets if target for name in ast.walk(target) if isinstance(name, ast.Name)}
    return names


def _taken(tree: Tree, source: Source, one: Import) -> Iterator[Finding]:
    if source.module and one.top == FACE:
        return  # what modules may take of the framework is rule `boundaries`
    target = tree.by_name.get(one.module)
    if one.name is None or one.name == "*" or target is None:
        if one.name == "*":
            yield source.found("exports:star", one.line, f"it takes everything of {one.module}", "name what it takes")
        if one.name and one.name.startswith("_") and not one.name.endswith("__") and one.top in (FACE, "modules"):
            yield _private(source, one.line, one.module, one.name)
        return
    if one.name.startswith("_") and not one.name.endswith("__"):
        yield _private(source, one.line, one.module, one.name)
    elif target.exported is not None and one.name not in target.exported and not one.name.startswith("__"):
        text = f"it takes {one.name}, which {target.file} does not offer"
        yield source.found("exports:unoffered", one.line, text, "add it to __all__ there, or take it from where it is offered")


def _through(tree: Tree, source: Source) -> Iterator[Finding]:
    """`file.name` on an imported file is an import by another way."""
    files = {one.alias: one.module for one in source.imports if one.name is None and one.module in tree.by_name}
    for node in source.all(ast.Attribute) if files else ():
        module = files.get(ast.unparse(node.value)) if isinstance(node.value, ast.Name) else None
        target = tree.by_name[module] if module else None
        if module is None or target is None or node.attr.startswith("__"):
            continue
        if node.attr.startswith("_"):
            yield _private(source, node.lineno, module, node.attr)
        elif target.exported is not None and node.attr not in target.exported and f"{module}.{node.attr}" not in tree.by_name:
            text = f"it takes {node.attr}, which {target.file} does not offer"
            yield source.found("exports:unoffered", node, text, "add it to __all__ there")


def _private(source: Source, line: int, module: str, name: str) -> Finding:
    cure = "use what that file offers, or give the thing a public name there"
    return source.found("exports:private", line, f"it takes the private {module}.{name}", cure)
