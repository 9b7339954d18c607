"""What the system promises to the outside, as files: written from the contracts, committed, and compared by a check.

The files are the version that reviewers and client generators see. A change of a contract that nobody meant shows here as a
difference; one that was meant is committed together with the code.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from armature.edges.http.openapi import openapi
from armature.engine.policies import Policies
from armature.runtime.project import Project

__all__ = ["FOLDER", "Drift", "drift", "write"]

FOLDER = "contracts"
_SHOWN_MAX = 20
_TEXT_MAX = 60


class Drift(Struct, frozen=True):
    """A file that is not what the code says: `changes` names the places, each with the file's value and the code's."""

    file: str
    changes: tuple[str, ...]
    cure: str = "run `armature contracts`, look at the difference, and commit the file with the code"

    def __str__(self) -> str:
        shown = [*self.changes[:_SHOWN_MAX]]
        if len(self.changes) > _SHOWN_MAX:
            shown.append(f"… and {len(self.changes) - _SHOWN_MAX} more")
        return "\n".join(
            [f"{self.file}: {len(self.changes)} differences from the code; {self.cure}", *(f"  {one}" for one in shown)]
        )


def write(project: Project, policies: Policies) -> list[Path]:
    """Write all files under `contracts/`; return those that changed."""
    changed = []
    for name, value in _derived(project, policies).items():
        path = project.root / FOLDER / name
        text = _render(value)
        if not path.exists() or path.read_bytes() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text)
            changed.append(path)
    return changed


def drift(project: Project, policies: Policies) -> list[Drift]:
    """Compare the files with the code; empty when they agree byte for byte."""
    found = []
    for name, value in _derived(project, policies).items():
        path = project.root / FOLDER / name
        text = path.read_bytes() if path.exists() else b""
        if text != _render(value):
            found.append(Drift(f"{FOLDER}/{name}", tuple(_changes(text, value))))
    return found


def _derived(project: Project, policies: Policies) -> dict[str, Any]:
    # Clients of a deployed system are promised this; the headers of development are nobody's contract.
    http = msgspec.structs.replace(policies.http, development_identity=False)
    promised = msgspec.structs.replace(policies, http=http)
    contracts = [contract for module in sorted(project.modules, key=lambda one: one.name) for contract in module.contracts]
    return {"openapi.json": openapi(contracts, promised)}


def _render(value: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def _changes(text: bytes, value: Any) -> Iterator[str]:
    if not text:
        yield "the file is missing"
        return
    try:
        before = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        yield f"the file is not JSON ({error})"
        return
    found = list(_differences("", before, msgspec.json.decode(msgspec.json.encode(value))))
    yield from found or ["only the layout of the text differs"]


def _differences(where: str, before: Any, after: Any) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in [*before, *(one for one in after if one not in before)]:
            at = f"{where}.{name}" if where else str(name)
            if name not in after:
                yield f"{at}: gone from the code"
            elif name not in before:
                yield f"{at}: new in the code"
            else:
                yield from _differences(at, before[name], after[name])
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from _differences(f"{where}.{index}", one, other)
    elif before != after or type(before) is not type(after):
        yield f"{where}: {_shown(before)} in the file, {_shown(after)} in the code"


def _shown(value: Any) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _TEXT_MAX else text[:_TEXT_MAX] + "…"
