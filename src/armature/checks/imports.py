"""What a file imports, as values: from where, which name, and whether it hides in a function or behind TYPE_CHECKING."""

import ast
from collections.abc import Iterator

from msgspec import Struct

__all__ = ["Import", "imports_of"]

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


class Import(Struct, frozen=True):
    """One imported thing. `module` is the file it comes from; `name` is what is taken from it, None for the file itself."""

    line: int
    module: str
    name: str | None
    alias: str
    in_function: bool
    for_types_only: bool

    @property
    def top(self) -> str:
        """The first word: the package."""
        return self.module.partition(".")[0]


def imports_of(tree: ast.Module, package: str, known: frozenset[str]) -> Iterator[Import]:
    """Return the imports of a file; `from a import b` is an import of the file `a.b` where there is one."""
    yield from _walk(tree, package, known, in_function=False, for_types_only=False)


def _walk(node: ast.AST, package: str, known: frozenset[str], *, in_function: bool, for_types_only: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            for module, name, alias in _taken(child, package, known):
                yield Import(child.lineno, module, name, alias, in_function, for_types_only)
        elif isinstance(child, ast.stmt):
            yield from _walk(
                child,
                package,
                known,
                in_function=in_function or isinstance(child, _FUNCTIONS),
                for_types_only=for_types_only or (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)),
            )
        elif isinstance(child, ast.ExceptHandler | ast.match_case):
            yield from _walk(child, package, known, in_function=in_function, for_types_only=for_types_only)


def _taken(node: ast.Import | ast.ImportFrom, package: str, known: frozenset[str]) -> Iterator[tuple[str, str | None, str]]:
    for entry in node.names:
        if isinstance(node, ast.Import):
            yield entry.name, None, entry.asname or entry.name
            continue
        module = _absolute(node, package)
        inner = f"{module}.{entry.name}"
        if inner in known:
            yield inner, None, entry.asname or entry.name
        else:
            yield module, entry.name, entry.asname or entry.name


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    above = package.split(".")[: len(package.split(".")) - node.level + 1]
    return ".".join([*above, *([node.module] if node.module else [])])
