"""Rule `layers`: arrows point down. A framework whose parts know only what lies below them can be read, tested and replaced
part by part; one import upwards, and nothing can be understood alone."""

from collections.abc import Iterable, Iterator, Mapping

from armature.checks.finding import Finding
from armature.checks.imports import Import
from armature.checks.tree import FACE, Source, Tree

__all__ = ["ADAPTER_BUILDERS", "RANKS", "circle", "findings"]

RANKS: Mapping[str, int] = {
    "cli": 9,
    "console": 9,
    "testing": 8,
    "checks": 8,
    "": 7,  # armature/http.py, armature/asgi.py: faces of what lies below
    "runtime": 6,
    "clients": 6,  # packages for outside, written from contracts and from what the HTTP edge says of them
    "edges": 5,
    "adapters": 5,
    "conformance": 5,
    "engine": 4,
    "face": 3,  # armature/__init__.py shows the kernel, and ports by their types
    "ports": 2,
    "kernel": 1,
}

ADAPTER_BUILDERS: Mapping[str, str] = {
    "armature.runtime.wire": "the composition root",
    "armature.runtime.vendors": "its half that chooses adapters by the environment's bindings",
    "armature.runtime.linking": "its part that chooses what carries calls between processes",
    "armature.runtime.certificates": "its part that reads what a process shows of itself",
    "armature.testing": "throw-away databases",
    "armature.cli": "commands that work on one adapter by hand",
    "armature.console": "as the command line",
    "armature.checks.sql": "statements are prepared by the engine that will run them",
}


def findings(tree: Tree) -> list[Finding]:
    """Return imports that point up, sideways, into a vendor's drawer, or that hide."""
    found = [one for source in tree.framework for one in _source(source)]
    hidden = [*tree.framework, *(source for sources in tree.modules().values() for source in sources)]
    found += [one for source in hidden for one in _hidden(source)]
    return found + list(_cycles(tree, hidden))


def _source(source: Source) -> Iterator[Finding]:
    area = _area(source.name)
    if area not in RANKS:
        text = f"'{area}' is no layer of the framework"
        yield source.found("layers:unknown", 0, text, f"move it into one of: {', '.join(filter(None, RANKS))}")
        return
    for one in source.imports:
        if one.top != FACE:
            continue
        target = _area(one.module)
        if target == "adapters" and area != "adapters":
            yield from _adapter(source, one)
        elif target == "adapters" and one.module.split(".")[2:3] != source.name.split(".")[2:3]:
            text = f"an adapter imports the adapter {one.module}"
            yield source.found("layers:adapters", one.line, text, "let runtime/wire.py give it what it needs, behind a port")
        elif target != area and RANKS.get(target, 99) >= RANKS[area]:
            text = f"{area or 'a face'} imports {one.module}, which does not lie below it"
            cure = "move what is shared down, or hand it in from above as an argument"
            yield source.found("layers:upward", one.line, text, cure)


def _adapter(source: Source, one: Import) -> Iterator[Finding]:
    if not any(source.name == name or source.name.startswith(f"{name}.") for name in ADAPTER_BUILDERS):
        text = f"it takes {one.module}, and only {', '.join(ADAPTER_BUILDERS)} may build adapters"
        yield source.found("layers:construct", one.line, text, "ask for the port and let runtime/wire.py hand the adapter in")


def _area(name: str) -> str:
    parts = name.split(".")
    if len(parts) == 1:
        return "face"
    return parts[1] if len(parts) > 2 or parts[1] in RANKS else ""


def _hidden(source: Source) -> Iterator[Finding]:
    for one in source.imports:
        if one.in_function:
            text = f"{one.module} is imported inside a function"
            yield source.found("layers:hidden", one.line, text, "import at the top; if that makes a circle, move what is shared")
        if one.for_types_only:
            text = f"{one.module} is imported for types only"
            yield source.found("layers:hidden", one.line, text, "import it always; if that makes a circle, move the type down")


def _cycles(tree: Tree, sources: Iterable[Source]) -> Iterator[Finding]:
    by_name = {source.name: source for source in sources}
    needs = {
        name: [one.module for one in source.imports if one.module in by_name and one.module != name]
        for name, source in by_name.items()
    }
    for trail in circle(needs):
        source = by_name[trail[0]]
        line = next(one.line for one in source.imports if one.module == trail[1])
        text = f"files import each other: {' → '.join(trail)}"
        yield source.found("layers:cycle", line, text, "move what both need into a file below them")


def circle(needs: Mapping[str, Iterable[str]]) -> Iterator[list[str]]:
    """Return each circle once, from its first name in the alphabet back to it; an entry that is in one is not told again."""
    done: set[str] = set()
    for start in sorted(needs):
        trail = _back_to(start, needs, done)
        if trail:
            done.update(trail)
            yield trail


def _back_to(start: str, needs: Mapping[str, Iterable[str]], done: set[str]) -> list[str] | None:
    before: dict[str, str] = {}
    waiting = [start]
    while waiting:
        at = waiting.pop(0)
        for need in needs.get(at, ()):
            if need == start:
                trail = [at]
                while trail[-1] != start:
                    trail.append(before[trail[-1]])
                return [*reversed(trail), start]
            if need not in before and need not in done:
                before[need] = at
                waiting.append(need)
    return None
