"""A struct as the description of a file: which keys exist, which types they take, and what to say to a key or a value
that does not fit. The structs are the only description; JSON Schemas, variables and messages are derived from them."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct

from armature.runtime.documents import Document, KeyPath
from armature.runtime.problems import Problem, shown, suggestion

__all__ = ["Leaf", "check", "hints", "is_section", "leaves", "misfit"]

# What stands under these is never repeated in a message: it may be a secret that somebody wrote in the wrong place.
UNSPOKEN = frozenset({"secrets", "url", "owner_url"})

_WORDS = {str: "one text", int: "a whole number", float: "a number", bool: "true or false", list: "a list: [first, second]"}


class Leaf(Struct, frozen=True):
    """One key that takes a value: its path, type and default."""

    path: KeyPath
    type: Any
    default: Any

    @property
    def key(self) -> str:
        return ".".join(self.path)


@cache
def hints(shape: type[Struct]) -> Mapping[str, Any]:
    """The types of a struct's keys, with their bounds."""
    found = get_type_hints(shape, include_extras=True)
    return {name: found[name] for name in shape.__struct_fields__}


def is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)


@cache
def leaves(shape: type[Struct]) -> tuple[Leaf, ...]:
    """All keys of a shape, in the order in which it declares them."""
    return tuple(_leaves(shape, ()))


def _leaves(shape: type[Struct], above: KeyPath) -> Iterator[Leaf]:
    defaults = {entry.name: _default(entry) for entry in msgspec.structs.fields(shape)}
    for name, kind in hints(shape).items():
        if is_section(kind):
            yield from _leaves(kind, (*above, name))
        else:
            yield Leaf((*above, name), kind, defaults[name])


def _default(entry: msgspec.structs.FieldInfo) -> Any:
    if entry.default_factory is not msgspec.NODEFAULT:
        return entry.default_factory()
    return entry.default


def check(document: Document, shape: type[Struct]) -> list[Problem]:
    """Everything in a document that the shape does not know or cannot take."""
    return list(_check(document, document.values, shape, ()))


def _check(document: Document, values: Mapping[str, Any], shape: type[Struct], above: KeyPath) -> Iterator[Problem]:
    known = hints(shape)
    for name, value in values.items():
        path = (*above, name)
        if name not in known:
            problem = document.problem(path, f"unknown key '{name}'", suggestion(name, known))
            yield msgspec.structs.replace(problem, key=".".join(above))
        elif is_section(known[name]):
            yield from _check_section(document, value, known[name], path)
        elif is_section(_entry(known[name])):
            yield from _check_entries(document, value, _entry(known[name]), path)
        else:
            yield from _check_leaf(document, value, Leaf(path, known[name], _default_of(shape, name)))


def _check_section(document: Document, value: Any, shape: type[Struct], path: KeyPath) -> Iterator[Problem]:
    # `http:` with all its lines commented out is an empty section and not a mistake.
    if isinstance(value, dict):
        yield from _check(document, value, shape, path)
    elif value is not None:
        cure = f"its keys are: {', '.join(hints(shape))}"
        yield document.problem(path, f"expected a section, found {_said(path, value)}", cure)


def _check_entries(document: Document, value: Any, shape: type[Struct], path: KeyPath) -> Iterator[Problem]:
    if not isinstance(value, dict):
        yield document.problem(path, f"expected named sections, found {_said(path, value)}", "write `name:` lines")
        return
    for name, entry in value.items():
        yield from _check_section(document, entry, shape, (*path, name))


def _check_leaf(document: Document, value: Any, leaf: Leaf) -> Iterator[Problem]:
    names = _choices(get_args(leaf.type)[0]) if get_origin(leaf.type) is dict else ()
    unknown = [name for name in value if name not in names] if names and isinstance(value, dict) else []
    for name in unknown:
        problem = document.problem((*leaf.path, name), f"unknown key '{name}'", suggestion(name, names))
        yield msgspec.structs.replace(problem, key=leaf.key)
    wrong = None if unknown else misfit(value, leaf)
    entries = _misfits(value, leaf) if wrong else []
    if entries:
        yield from (document.problem(path, *said) for path, said in entries)
    elif wrong:
        yield document.problem(leaf.path, *wrong)


def _misfits(value: Any, leaf: Leaf) -> list[tuple[KeyPath, tuple[str, str]]]:
    """Of a key that takes named values, those that it cannot take, by their paths."""
    if get_origin(leaf.type) is not dict or not isinstance(value, dict):
        return []
    kind = get_args(leaf.type)[1]
    word = _WORDS.get(get_origin(kind) or kind)
    found = {(*leaf.path, str(name)): misfit(one, Leaf((*leaf.path, str(name)), kind, None)) for name, one in value.items()}
    # No entry has a default that could stand as an example.
    cure = f"write {word}" if word else _cure({}, leaf)
    return [(path, (said[0], cure)) for path, said in found.items() if said is not None]


def misfit(value: Any, leaf: Leaf) -> tuple[str, str] | None:
    """Why a key cannot take a value and what to write instead, or None when it can."""
    try:
        msgspec.convert(value, leaf.type)
    except msgspec.ValidationError as error:
        said, _, place = str(error).partition(" - at ")
        inside = "" if place in ("", "`$`") else f" (at {place.strip('`')})"
        if "enum value" in said:
            return _outside(value, leaf)
        expected = re.sub(r"^Expected ", "expected ", said.partition(", got ")[0]).replace("`", "")
        return f"{expected}{inside}, found {_said(leaf.path, value)}", _cure(value, leaf)
    return None


def _outside(value: Any, leaf: Leaf) -> tuple[str, str]:
    choices = [str(choice) for choice in _choices(leaf.type)]
    text = f"expected one of {', '.join(choices)}, found {_said(leaf.path, value)}"
    if isinstance(value, list):
        outside = next(entry for entry in value if entry not in choices)
        return text.partition(", found")[0] + f", found {shown(outside)}", suggestion(str(outside), choices)
    if any(get_origin(part) is list for part in get_args(leaf.type)):
        return f"expected a list or {text.removeprefix('expected one of ')}", f"write [{value}]"
    return text, suggestion(str(value), choices)


def _cure(value: Any, leaf: Leaf) -> str:
    if isinstance(value, str) and value.lower() in ("yes", "no", "on", "off", "true", "false", "1", "0"):
        if leaf.type is bool:
            return "write true or false, without quotes"
    elif isinstance(value, str) and re.fullmatch(r"[-+]?\d+(\.\d+)?", value):
        return "remove the quotes"
    if leaf.path[-1].endswith("url"):
        return "write env:NAME or file:PATH, which say where the address is, or an address without a password"
    if _unspoken(leaf.path):
        return "write env:NAME or file:PATH, which say where the secret is"
    if isinstance(leaf.default, list | dict):
        return "write a list: [first, second]" if isinstance(leaf.default, list) else "write `name: value` lines"
    return f"for instance `{leaf.path[-1]}: {shown(leaf.default).strip(chr(39))}`"


def _said(path: KeyPath, value: Any) -> str:
    return "something else" if _unspoken(path) else shown(value)


def _unspoken(path: KeyPath) -> bool:
    return not UNSPOKEN.isdisjoint((path[0], path[-1]))


def _choices(kind: Any) -> tuple[Any, ...]:
    """The closed list of a `Literal`, also inside a union, a list or a mapping's keys."""
    if get_origin(kind) is Literal:
        return get_args(kind)
    return tuple(choice for part in get_args(kind) for choice in _choices(part))


def _entry(kind: Any) -> Any:
    return get_args(kind)[1] if get_origin(kind) is dict else None


def _default_of(shape: type[Struct], name: str) -> Any:
    return next(_default(entry) for entry in msgspec.structs.fields(shape) if entry.name == name)
