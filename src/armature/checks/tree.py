"""A project as the checks see it: every file parsed once, every node found by its kind, every import resolved.

Rules are pure functions of this value. Nothing is imported to make it, so a project that cannot start can still be checked.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct, field

from armature.checks.finding import Finding
from armature.checks.imports import Import, imports_of

__all__ = ["FACE", "FRAMEWORK", "Source", "Tree", "read_tree"]

N = TypeVar("N", bound=ast.AST)

FRAMEWORK = "src/armature"
FACE = "armature"
_FOLDERS = (FRAMEWORK, "modules", "tests", "bench")
_HIDDEN = frozenset({"__pycache__", "node_modules"})


class Source(Struct, frozen=True, eq=False):
    """One Python file. `file` is relative to the project's root, `name` is how others import it."""

    file: str
    name: str
    text: str
    tree: ast.Module
    nodes: dict[type[ast.AST], list[Any]]
    imports: tuple[Import, ...]

    @property
    def module(self) -> str | None:
        """The business module it belongs to."""
        parts = self.file.split("/")
        return parts[1] if parts[0] == "modules" and len(parts) > 2 else None

    @property
    def in_tests(self) -> bool:
        """Tests may reach for the world that modules may not see."""
        return "tests" in self.file.split("/")[:-1]

    @property
    def part(self) -> str:
        """The well-known part of a module it is: `service` for `service.py` and for `service/hold.py`."""
        return self.file.split("/")[2].removesuffix(".py")

    @property
    def framework(self) -> bool:
        """Whether it is a file of the framework itself."""
        return self.file.startswith(f"{FRAMEWORK}/")

    @property
    def exported(self) -> list[str] | None:
        """The names in `__all__`; None where the file declares none."""
        for node in self.tree.body:
            targets = node.targets if isinstance(node, ast.Assign) else []
            if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
                return [str(entry.value) for entry in ast.walk(node) if isinstance(entry, ast.Constant)]
        return None

    def all(self, kind: type[N]) -> list[N]:
        """Every node of that kind, in no particular order."""
        return self.nodes.get(kind, [])

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        """Every function and method, inner ones included."""
        yield from self.all(ast.FunctionDef)
        yield from self.all(ast.AsyncFunctionDef)

    def found(self, rule: str, at: ast.AST | int, text: str, cure: str) -> Finding:
        """A finding in this file, at a node or a line."""
        line = at if isinstance(at, int) else getattr(at, "lineno", 0)
        return Finding(rule, self.file, line, text, cure)


class Tree(Struct, frozen=True, eq=False):
    """All sources of a project, and where it stands on disk for what is no Python."""

    root: Path
    sources: tuple[Source, ...]
    broken: tuple[Finding, ...] = ()
    """Files that Python cannot read; no rule can speak about them."""
    by_name: dict[str, Source] = field(default_factory=dict)

    @property
    def framework(self) -> list[Source]:
        """The framework's own files; none in a user's project."""
        return [source for source in self.sources if source.framework]

    def modules(self, *, tests: bool = False) -> dict[str, list[Source]]:
        """The files of each business module, its tests only when asked for."""
        found: dict[str, list[Source]] = {name: [] for name in self.module_names}
        for source in self.sources:
            if source.module in found and (tests or not source.in_tests):
                found[source.module].append(source)
        return found

    @property
    def module_names(self) -> list[str]:
        """The folders under `modules/`."""
        folder = self.root / "modules"
        return sorted(path.name for path in folder.glob("[!._]*") if path.is_dir() and path.name not in _HIDDEN)


def read_tree(root: Path) -> Tree:
    """Parse every Python file of the project at `root`."""
    paths = [path for folder in _FOLDERS for path in _python(root / folder)]
    names = {path: _dotted(path.relative_to(root)) for path in paths}
    # A folder without __init__.py is a package too.
    known = frozenset(above for name in names.values() for above in _packages(name))
    sources: list[Source] = []
    broken: list[Finding] = []
    for path, name in names.items():
        file = path.relative_to(root).as_posix()
        try:
            sources.append(_source(file, name, path, known))
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", 0) or 0
            broken.append(Finding("files:python", file, line, f"Python cannot read it: {error}", "mend the line"))
    return Tree(root, tuple(sources), tuple(broken), {source.name: source for source in sources})


def _source(file: str, name: str, path: Path, known: frozenset[str]) -> Source:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text, filename=file)
    nodes: dict[type[ast.AST], list[Any]] = {}
    for node in ast.walk(tree):
        nodes.setdefault(type(node), []).append(node)
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    return Source(file, name, text, tree, nodes, tuple(imports_of(tree, package, known)))


def _python(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*.py")):
        if not _HIDDEN.intersection(path.parts):
            yield path


def _packages(name: str) -> Iterator[str]:
    while name:
        yield name
        name = name.rpartition(".")[0]


def _dotted(path: Path) -> str:
    parts = [*path.with_suffix("").parts]
    if parts[0] == "src":
        parts = parts[1:]
    if parts[-1] == "__init__":
        parts = parts[:-1]
    return ".".join(parts)
