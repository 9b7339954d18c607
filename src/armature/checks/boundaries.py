"""Rule `boundaries`: a module sees the public face, its own files below it, and the contracts of its neighbours.

This is what lets a module move into a process of its own: nobody holds anything of it but its contract."""

from collections.abc import Iterator, Mapping

import armature
from armature.checks.finding import Finding
from armature.checks.imports import Import
from armature.checks.tree import FACE, Source, Tree

__all__ = ["PARTS", "findings"]

PARTS: Mapping[str, int] = {
    "module": 6,
    "http": 5,
    "reactions": 5,
    "jobs": 5,
    "workflows": 5,
    "background": 5,
    "service": 4,
    "repository": 3,
    "projections": 3,
    "external": 3,
    "domain": 2,
    "contract": 1,
}
"""The well-known files of a module; each may import those with a smaller number."""

_FACES = (FACE, f"{FACE}.http")
_ORDER = "module → http | reactions | jobs | workflows | background → service → repository | projections → domain → contract"


def findings(tree: Tree) -> list[Finding]:
    """Return imports of modules that go around a contract, up, or into the framework's inside."""
    face = _face(tree)
    return [
        one
        for sources in tree.modules(tests=True).values()
        for source in sources
        for taken in source.imports
        for one in _import(source, taken, face)
    ]


def _face(tree: Tree) -> frozenset[str]:
    """The names of the public face, as the tree writes them, or as the installed framework has them."""
    source = tree.by_name.get(FACE)
    if source is None:
        return frozenset(armature.__all__)
    return frozenset(source.exported or ())


def _import(source: Source, one: Import, face: frozenset[str]) -> Iterator[Finding]:
    if one.top == FACE:
        yield from _of_framework(source, one, face)
    elif one.top == "modules":
        parts = one.module.split(".")
        if len(parts) < 2:
            text = "it imports the folder of all modules"
            yield source.found("boundaries:neighbour", one.line, text, "import from one neighbour's contract")
        elif parts[1] == source.module:
            yield from _of_own(source, one, parts[2:])
        elif parts[2:] != ["contract"] or one.name is None:
            text = f"it reaches into the module {parts[1]}: {'.'.join(filter(None, [one.module, one.name]))}"
            cure = f"take names from modules.{parts[1]}.contract; what is not there is {parts[1]}'s own business"
            yield source.found("boundaries:neighbour", one.line, text, cure)
    elif one.top in ("tests", "bench"):
        text = f"it imports {one.module}, which is not shipped with it"
        yield source.found("boundaries:neighbour", one.line, text, "keep what its tests need in its own tests/ folder")


def _of_framework(source: Source, one: Import, face: frozenset[str]) -> Iterator[Finding]:
    if source.in_tests and one.module.startswith(f"{FACE}.testing"):
        return
    if one.module not in _FACES or one.name is None:
        text = f"it imports {one.module}, which is the framework's inside"
        cure = "import from `armature`" + (" or `armature.testing`" if source.in_tests else "")
        yield source.found("boundaries:face", one.line, text, cure)
    elif one.module == FACE and one.name not in face:
        text = f"`{one.name}` is no name of the public face"
        yield source.found("boundaries:face", one.line, text, f"there are: {', '.join(sorted(face))}")


def _of_own(source: Source, one: Import, parts: list[str]) -> Iterator[Finding]:
    if source.in_tests:
        return
    mine, theirs = source.part, parts[0] if parts else ""
    if mine == theirs:
        return
    if mine == "migrations":
        text = f"a migration imports {one.module}"
        cure = "write out what it needs: a migration must mean the same in ten years, whatever becomes of the code"
        yield source.found("boundaries:order", one.line, text, cure)
    elif mine == "http" and theirs == "service":
        text = "http.py holds the service, so its calls skip permissions, limits and keys"
        yield source.found("boundaries:order", one.line, text, "call the operations, as neighbours do")
    elif PARTS.get(theirs, 99) >= PARTS.get(mine, 0):
        text = f"{mine} imports {theirs or 'the module folder'}"
        yield source.found("boundaries:order", one.line, text, f"arrows point one way: {_ORDER}")
