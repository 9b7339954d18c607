"""docs/reference/settings.md: every key of the model with its type, bounds, default and variable."""

import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from armature.engine.policies import Policies
from armature.runtime.environment import Environment
from armature.runtime.overrides import FLAGS, SETTABLE, variable
from armature.runtime.schemas import descriptions
from armature.runtime.shape import Leaf, hints, is_section, leaves
from armature.runtime.topology import ProcessSpec, Topology

__all__ = ["settings_page"]

_HEAD = """# Settings

<!-- Made by `python -m tests.docs.pages`; a test compares it with the code. -->

Everything that can be set, in three kinds of files below `platform/`. The files are read once, at the start. An unknown key, a
wrong type or a value out of bounds is refused with the file, the line, the key and the cure.

**Who wins:** `policies.yaml` < `policies:` of the environment < a variable < a flag. `armature plan --defaults` prints every
value and where it came from. Sections are written as YAML sections: `http.port` is `http:` with `port:` below it.

**Variables** are `ARMATURE_<SECTION>__<KEY>`. A list may be given with commas. A variable that looks like a key and is
none is refused.

**Secrets** are references (`env:NAME`, `file:PATH`), never values. In development a secret without a reference is made up once
and kept in the data folder.
"""


def settings_page() -> str:
    """Return the page."""
    parts = [_HEAD, "## policies.yaml\n"]
    parts += _sections(Policies)
    parts += ["## environments/NAME.yaml\n", *_environment()]
    parts += ["## topologies/NAME.yaml\n", *_keys(Topology, ("name", "environment", "processes"))]
    parts += ["### processes.NAME\n", *_keys(ProcessSpec, tuple(hints(ProcessSpec)))]
    parts += ["## Flags\n", "| flag | key |\n|---|---|", *(f"| `{flag}` | `{key}` |" for flag, key in FLAGS.items()), ""]
    return "\n".join(parts)


def _sections(shape: type[Struct]) -> Iterator[str]:
    by_key = {leaf.key: leaf for leaf in leaves(shape)}
    for name, kind in hints(shape).items():
        if is_section(kind):
            yield f"### {name}\n"
            if text := (kind.__doc__ or "").strip():
                yield f"{text}\n" if not text.startswith(kind.__name__) else ""
            for key, text in descriptions(kind).items():
                yield from _one(by_key[f"{name}.{key}"], text)
        else:
            yield from _one(by_key[name], descriptions(shape)[name], "###")


def _environment() -> Iterator[str]:
    texts = descriptions(Environment)
    for leaf in leaves(Environment):
        owner = hints(Environment)[leaf.path[0]]
        text = descriptions(owner)[leaf.path[1]] if len(leaf.path) > 1 else texts[leaf.path[0]]
        yield from _one(leaf, text, "###")
    yield "### policies\n"
    yield "Any section of policies.yaml; what stands here wins over what stands there.\n"


def _keys(shape: type[Struct], names: tuple[str, ...]) -> Iterator[str]:
    texts = descriptions(shape)
    for leaf in leaves(shape):
        if leaf.path[0] in names:
            yield from _one(leaf, texts.get(leaf.path[0], ""), "####" if shape is ProcessSpec else "###")


def _one(leaf: Leaf, text: str, mark: str = "####") -> Iterator[str]:
    yield f"{mark} {leaf.key}\n"
    yield f"{text}\n"
    facts = [f"type {_type(leaf.type)}", f"default `{_plain(leaf.default)}`"]
    if leaf.key in SETTABLE:
        facts.append(f"variable `{variable(leaf)}`")
    yield "- " + "\n- ".join(facts) + "\n"


def _plain(value: Any) -> str:
    return json.dumps(msgspec.to_builtins(value), ensure_ascii=False)


def _type(kind: Any) -> str:
    """Name a type with its bounds, as a person would write them."""
    if get_origin(kind) is Annotated or hasattr(kind, "__metadata__"):
        inner, *marks = get_args(kind)
        return _type(inner) + "".join(_bounds(mark) for mark in marks if isinstance(mark, Meta))
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(f"`{choice}`" for choice in get_args(kind))
    if get_origin(kind) in (list, dict):
        inside = [_type(part) for part in get_args(kind)]
        return f"list of {inside[0]}" if get_origin(kind) is list else f"mapping of {inside[0]} to {inside[1]}"
    if isinstance(kind, type):
        return {"str": "text", "int": "whole number", "float": "number", "bool": "true or false", "NoneType": "null"}.get(
            kind.__name__, "section"
        )
    return " or ".join(_type(part) for part in get_args(kind))


def _bounds(mark: Meta) -> str:
    words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    said = [
        f"{word} {getattr(mark, name):,}".replace(",", " ") for name, word in words.items() if getattr(mark, name) is not None
    ]
    if mark.pattern is not None:
        said.append(f"of the form `{mark.pattern}`".replace("|", "\\|"))
    return f", {', '.join(said)}" if said else ""
