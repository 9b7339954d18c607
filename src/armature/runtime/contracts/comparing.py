"""Two JSON Schemas of one thing, before and after: who may be hurt by the difference.

What callers send must not be judged more strictly than before (`asked`), what they are given must not hold more than was said
(`given`). A schema that is both, as an event's data is, is compared twice. Sentences name the place and both sides.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from msgspec import Struct

from armature.runtime.contracts.bounds import bounds_moved, words_moved

__all__ = ["Sides", "differences"]

Schema = Mapping[str, Any]
Way = Literal["asked", "given"]


class Sides(Struct, frozen=True):
    """Where references lead on either side, and what the two are compared for."""

    before: Schema
    after: Schema
    way: Way
    strict: bool = True
    """Whether a field that is not known is refused; events and answers may hold more than their reader knows."""


def differences(at: str, before: Schema, after: Schema, sides: Sides) -> Iterator[str]:
    """Yield what breaks somebody, as `PLACE: what`; `at` is the place of the two schemas."""
    yield from _Comparison(sides).any(at, before, after)


class _Comparison:
    def __init__(self, sides: Sides) -> None:
        self._sides = sides
        self._asked = sides.way == "asked"
        self._seen: set[tuple[str, str]] = set()
        self._objects: set[tuple[int, int]] = set()

    def any(self, at: str, before: Schema, after: Schema) -> Iterator[str]:
        names = before.get("$ref", ""), after.get("$ref", "")
        if names[0] and names[1]:
            if names in self._seen:
                return
            self._seen.add(names)
            if names[0] == names[1]:
                at = names[0].rpartition("/")[2]  # told once, whoever uses the type
        old, new = _choices(before, self._sides.before), _choices(after, self._sides.after)
        yield from self._null(at, "null" in old, "null" in new)
        old.pop("null", None)
        new.pop("null", None)
        if len(old) == len(new) == 1:
            yield from self._one(at, next(iter(old.values())), next(iter(new.values())))
            return
        for name in [*old, *new]:
            if name in old and name in new:
                yield from self._one(f"{at} ({name})", old.pop(name), new.pop(name))
        for name in old if self._asked else new:
            yield f"{at}: {name} is no longer accepted" if self._asked else f"{at}: may now be {name}"

    def _null(self, at: str, before: bool, after: bool) -> Iterator[str]:
        if self._asked and before and not after:
            yield f"{at}: null is no longer accepted"
        if not self._asked and after and not before:
            yield f"{at}: may now be null"

    def _one(self, at: str, before: Schema, after: Schema) -> Iterator[str]:
        old, new = _type(before), _type(after)
        number = ("integer", "number") if self._asked else ("number", "integer")
        if old != new and (old, new) != number:
            yield f"{at}: was {old}, is now {new}"
        elif new == "array":
            yield from bounds_moved(at, before, after, self._sides.way)
            yield from self.any(f"{at}[]", before.get("items", {}), after.get("items", {}))
        elif new == "object":
            pair = id(before), id(after)
            if pair in self._objects:  # one of a union, met without its name, may contain itself
                return
            self._objects.add(pair)
            yield from bounds_moved(at, before, after, self._sides.way)
            yield from self._object(at, before, after)
        else:
            yield from words_moved(at, before, after, self._sides.way)
            yield from bounds_moved(at, before, after, self._sides.way)

    def _object(self, at: str, before: Schema, after: Schema) -> Iterator[str]:
        old, new = before.get("properties", {}), after.get("properties", {})
        for name in old:
            if name in new:
                yield from self._field(_below(at, name), name, before, after)
            elif not self._asked:
                yield f"{_below(at, name)}: is gone"
            elif self._sides.strict:
                yield f"{_below(at, name)}: is gone, and who sends it is refused"
        for name in new if self._asked else ():
            if name not in old and name in after.get("required", ()):
                yield f"{_below(at, name)}: is new and required"
        values = before.get("additionalProperties"), after.get("additionalProperties")
        if isinstance(values[0], Mapping) and isinstance(values[1], Mapping):
            yield from self.any(f"{at}{{}}", values[0], values[1])

    def _field(self, at: str, name: str, before: Schema, after: Schema) -> Iterator[str]:
        needed = name in before.get("required", ()), name in after.get("required", ())
        if self._asked and needed == (False, True):
            yield f"{at}: is now required"
        if not self._asked and needed == (True, False):
            yield f"{at}: may now be absent"
        old, new = before["properties"][name], after["properties"][name]
        if self._asked and not any(needed) and old.get("default") != new.get("default"):
            yield f"{at}: left out it means {_shown(new)}, it meant {_shown(old)}"
        yield from self.any(at, old, new)


def _choices(schema: Schema, types: Schema) -> dict[str, Schema]:
    """What a value may be, by a name that stays the same: null, a tag of a union, or the type."""
    schema = _resolved(schema, types)
    if "anyOf" not in schema:
        return {_tag(schema) or _type(schema): schema}
    return {name: choice for one in schema["anyOf"] for name, choice in _choices(one, types).items()}


def _tag(schema: Schema) -> str:
    """What tells a struct of a union from the others: a field that has one value."""
    fields = schema.get("properties", {})
    tags = [fields[name].get("enum", ()) for name in schema.get("required", ()) if name in fields]
    return next((str(one[0]) for one in tags if len(one) == 1), "")


def _resolved(schema: Schema, types: Schema) -> Schema:
    while "$ref" in schema:
        schema = types[schema["$ref"].rpartition("/")[2]]
    return schema


def _type(schema: Schema) -> str:
    if "type" in schema:
        return str(schema["type"])
    values = [schema["const"]] if "const" in schema else schema.get("enum", ())
    if not values:
        return "anything"
    return "integer" if all(isinstance(one, int) for one in values) else "string"


def _below(at: str, name: str) -> str:
    return f"{at} {name}" if at.endswith((" argument", " result", " field")) else f"{at}.{name}"


def _shown(schema: Schema) -> str:
    return repr(schema["default"]) if "default" in schema else "nothing"
