"""What a function of a module may end up raising: calls are followed as far as types are written down, and no further.

Followed are functions of the module, methods of `self`, and methods of what `__init__` was given with a class of the module as
its annotation; that is how modules are written. A call of anything else is remembered by its last word.
"""

import ast
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from armature.checks.contracts import Method, keyword, named
from armature.checks.tree import Source

__all__ = ["Place", "Reach"]


class Place(NamedTuple):
    """A function of a module: its file, the class it belongs to (empty for none) and its name."""

    file: str
    owner: str
    name: str


class Reach:
    """The calls of one module."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = {source.name: source for source in sources}
        self._classes = {own.name: (source, own) for source in sources for own in source.all(ast.ClassDef)}
        self._functions: dict[Place, Method] = {}
        for source in sources:
            self._functions |= {Place(source.name, "", one.name): one for one in source.tree.body if isinstance(one, Method)}
        for source, own in self._classes.values():
            self._functions |= {Place(source.name, own.name, one.name): one for one in own.body if isinstance(one, Method)}
        self._held = {name: dict(self._attributes(own)) for name, (_, own) in self._classes.items()}

    def raises(self, start: Place) -> tuple[set[str], set[str]]:
        """Return the names of what may be raised from there on, and of calls that could not be followed."""
        raised: set[str] = set()
        lost: set[str] = set()
        seen: set[Place] = set()
        waiting = [start]
        while waiting:
            place = waiting.pop()
            if place in seen or place not in self._functions:
                continue
            seen.add(place)
            raised |= set(_raised(self._functions[place]))
            for call in (node for node in ast.walk(self._functions[place]) if isinstance(node, ast.Call)):
                followed = self._followed(call.func, place)
                waiting += [followed] if followed else []
                lost |= {call.func.attr} if not followed and isinstance(call.func, ast.Attribute) else set()
        return raised, lost

    def raisers(self, failure: str) -> set[str]:
        """Return the names of functions that may raise it."""
        return {place.name for place in self._functions if failure in self.raises(place)[0]}

    def _followed(self, call: ast.expr, place: Place) -> Place | None:
        source = self._sources[place.file]
        if isinstance(call, ast.Name):
            if Place(place.file, "", call.id) in self._functions:
                return Place(place.file, "", call.id)
            taken = next((one for one in source.imports if one.alias == call.id and one.name), None)
            return Place(taken.module, "", taken.name or "") if taken and taken.module in self._sources else None
        if not isinstance(call, ast.Attribute):
            return None
        if isinstance(call.value, ast.Name):
            if call.value.id == "self":
                return self._method(place.owner, call.attr)
            taken = next((one for one in source.imports if one.alias == call.value.id and not one.name), None)
            return Place(taken.module, "", call.attr) if taken and taken.module in self._sources else None
        if isinstance(call.value, ast.Attribute) and isinstance(call.value.value, ast.Name) and call.value.value.id == "self":
            return self._method(self._held.get(place.owner, {}).get(call.value.attr, ""), call.attr)
        return None

    def _method(self, owner: str, name: str) -> Place | None:
        if owner not in self._classes:
            return None
        source, own = self._classes[owner]
        place = Place(source.name, owner, name)
        if place in self._functions:
            return place
        bases = [named(base) for base in own.bases if named(base) != owner]
        return next((found for base in bases if (found := self._method(base, name))), None)

    def _attributes(self, own: ast.ClassDef) -> Iterator[tuple[str, str]]:
        """Attributes by the class of what `__init__` was given for them."""
        start = next((one for one in own.body if isinstance(one, Method) and one.name == "__init__"), None)
        if start is None:
            return
        given: Mapping[str, str] = {
            one.arg: named(one.annotation) for one in (*start.args.args, *start.args.kwonlyargs) if one.annotation is not None
        }
        for node in start.body:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name) and node.value.id in given:
                yield from ((named(target), given[node.value.id]) for target in node.targets)


def _raised(function: Method) -> Iterator[str]:
    for node in ast.walk(function):
        if isinstance(node, ast.Raise) and node.exc is not None:
            yield named(node.exc)
        elif isinstance(node, ast.Call) and (refuse := keyword(node, "refuse")) is not None:
            yield named(refuse)
