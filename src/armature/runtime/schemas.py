"""JSON Schemas of the files in `platform/`, derived from the structs that read them, so that an editor completes keys and
shows what they mean. They are committed; a test compares them with what would be derived now."""

import ast
import inspect
import json
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from armature.engine.policies import Policies
from armature.runtime.environment import EnvironmentFile
from armature.runtime.shape import hints, is_section
from armature.runtime.topology import ProcessSpec, Topology

__all__ = ["FOLDER", "schemas", "write_schemas"]

FOLDER = "platform/schemas"

_SHAPES: Mapping[str, type[Struct]] = {"policies": Policies, "topology": Topology, "environment": EnvironmentFile}


def schemas() -> dict[str, str]:
    """The text of each schema file by its name."""
    return {f"{name}.json": _text(shape) for name, shape in _SHAPES.items()}


def write_schemas(root: Path) -> list[Path]:
    """Write the schemas of the project at `root`; returns the files that changed."""
    folder = root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    changed = []
    for name, text in schemas().items():
        file = folder / name
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")
            changed.append(file)
    return changed


def _text(shape: type[Struct]) -> str:
    (top,), parts = msgspec.json.schema_components([shape], ref_template="#/$defs/{name}")
    described = {section.__name__: section for section in _sections(shape)}
    for name, part in parts.items():
        _describe(part, described[name])
    document = {"$schema": "https://json-schema.org/draft/2020-12/schema", **top, "$defs": parts}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _sections(shape: type[Struct]) -> set[type[Struct]]:
    inner = {kind for kind in hints(shape).values() if is_section(kind)}
    inner |= {ProcessSpec} if shape is Topology else set()
    return {shape, *(section for kind in inner for section in _sections(kind))}


def _describe(part: dict[str, Any], section: type[Struct]) -> None:
    # Lists of required keys are empty everywhere: every key has a default.
    part.pop("required", None)
    for name, text in descriptions(section).items():
        entry = part["properties"][name]
        # What stands beside `$ref` is ignored by older editors; a wrapped one is not.
        part["properties"][name] = {"description": text, **entry}


def descriptions(section: type[Struct]) -> dict[str, str]:
    """What each key means: the text that follows its field in the source."""
    found: dict[str, str] = {}
    for owner in reversed(section.__mro__):
        if owner in (object, Struct) or not issubclass(owner, Struct):
            continue
        body = ast.parse(textwrap.dedent(inspect.getsource(owner))).body[0]
        assert isinstance(body, ast.ClassDef)
        for field, after in zip(body.body, body.body[1:], strict=False):
            text = _docstring(after)
            if text and isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                found[field.target.id] = " ".join(text.split())
    return found


def _docstring(node: ast.stmt) -> str | None:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return node.value.value
    return None
