"""Rule `files`: whoever knows one module finds everything in the next; and every file says why it exists."""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from armature.checks.boundaries import PARTS
from armature.checks.finding import Finding
from armature.checks.tree import Source, Tree

__all__ = ["FOLDERS", "findings"]

FOLDERS: Mapping[str, re.Pattern[str]] = {
    "migrations": re.compile(r"\d{4}_[a-z0-9_]+(\.sqlite|\.postgres)?\.sql|\d{4}_[a-z0-9_]+\.py"),
    "projections": re.compile(r"[a-z][a-z0-9_]*\.(sql|py)|__init__\.py"),
    "service": re.compile(r"[a-z][a-z0-9_]*\.py|__init__\.py"),
    "repository": re.compile(r"[a-z][a-z0-9_]*\.py|__init__\.py"),
    "tests": re.compile(r".*"),
}
"""The folders of a module and what may lie in each."""

_NEEDED = ("module.yaml", "module.py", "contract.py")
_FILES = frozenset([*(f"{part}.py" for part in PARTS), "__init__.py", "module.yaml"])
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_VAGUE = frozenset(["util", "utils", "common", "helper", "helpers", "base", "manager", "managers", "misc"])
_SKIPS = frozenset(["skip", "skipif", "xfail", "importorskip"])
_LATER = re.compile(r"#\s*(TODO|FIXME|XXX|HACK)\b")


def findings(tree: Tree) -> list[Finding]:
    """Return files that stand where nobody looks, that have no reason to exist, or whose names say nothing."""
    found = list(tree.broken)
    for name in tree.module_names:
        found += _module(tree.root, name)
    for source in tree.sources:
        found += _source(source)
    return found


def _module(root: Path, name: str) -> Iterator[Finding]:
    folder = root / "modules" / name
    if not _NAME.fullmatch(name):
        yield Finding("files:name", f"modules/{name}", 0, "is no name of a module", "use small letters, digits and _")
    for needed in _NEEDED:
        if not (folder / needed).is_file():
            yield Finding("files:missing", f"modules/{name}/{needed}", 0, "is missing", "write it; modules/counter shows how")
    for path in sorted(folder.iterdir()):
        if path.is_dir() and path.name in FOLDERS:
            yield from _folder(root, path)
        elif path.name not in _FILES and not path.name.startswith((".", "__pycache__")):
            file = path.relative_to(root).as_posix()
            known = ", ".join([*sorted(_FILES), *(f"{one}/" for one in FOLDERS)])
            yield Finding("files:unknown", file, 0, "is no well-known file of a module", f"put its content into one of: {known}")


def _folder(root: Path, folder: Path) -> Iterator[Finding]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith((".", "__pycache__")) or FOLDERS[folder.name].fullmatch(path.name):
            continue
        file = path.relative_to(root).as_posix()
        cure = "call it 0001_what_it_does.sql" if folder.name == "migrations" else f"{folder.name}/ holds one file per subject"
        yield Finding("files:unknown", file, 0, f"does not belong into {folder.name}/", cure)


def _source(source: Source) -> Iterator[Finding]:
    stem = source.file.rpartition("/")[2].removesuffix(".py").strip("_")
    if stem in _VAGUE:
        yield source.found("files:vague", 0, f"'{stem}' says nothing of what is in it", "name it after its subject")
    if source.tree.body and ast.get_docstring(source.tree) is None:
        yield source.found("files:reason", 1, "the file does not open with its reason to exist", "write it as a docstring on top")
    for line, text in enumerate(source.text.splitlines(), 1):
        if "#" in text and _LATER.search(text):
            yield source.found("files:later", line, "something is left for later", "do it, or write it into the issue tracker")
    for node in source.all(ast.Attribute) if source.in_tests else ():
        if node.attr in _SKIPS and ast.unparse(node.value) in ("pytest", "pytest.mark"):
            text = f"pytest's {node.attr}: a test that does not run proves nothing and looks as if it did"
            yield source.found("files:skip", node, text, "make it run, or remove it")
