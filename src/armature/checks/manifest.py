"""A module's `module.yaml` with its lines, read for the checks: a finding should point at the line that lies."""

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct, field

from armature.runtime.documents import Document, read
from armature.runtime.problems import ModelError

__all__ = ["ManifestSource", "manifest_source"]


class ManifestSource(Struct, frozen=True):
    """What the file says, each entry with its line. A file that cannot be read says nothing here; rule `model` tells why."""

    file: str
    uses: Mapping[str, int] = field(default_factory=dict)
    tables: Mapping[str, int] = field(default_factory=dict)


def manifest_source(root: Path, module: str) -> ManifestSource:
    """Read `modules/<module>/module.yaml`."""
    file = f"modules/{module}/module.yaml"
    try:
        document = read(root / file, shown_as=file)
    except ModelError:
        return ManifestSource(file)
    uses = document.values.get("uses") or []
    tables = document.values.get("tables") or {}
    return ManifestSource(
        file,
        {str(entry): _line(document, "uses", str(index)) for index, entry in enumerate(uses)} if isinstance(uses, list) else {},
        {str(name): _line(document, "tables", str(name)) for name in tables} if isinstance(tables, dict) else {},
    )


def _line(document: Document, *path: str) -> int:
    return document.line(path)
