"""A small system of two layers: an edge that hosts nothing, and the modules behind it, in processes of one loop.

    async with Harbour(folder) as harbour:
        app, edge = await harbour.open("app"), await harbour.open("edge")
        await edge.get("/v1/crates?note=tea")

Every process opened has a core of its own; what it calls over the link is what a fleet calls.
"""

import tempfile
from collections.abc import Mapping
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from armature.runtime.model import load
from armature.runtime.process import Part, System, open_system
from armature.runtime.project import load_project
from armature.runtime.wire import Given
from armature.testing.client import Client

__all__ = ["LAYERS", "Gate", "Harbour", "Person", "build"]

_ROOT = Path(__file__).parents[2]
_MODULES = (_ROOT / "modules/counter", _ROOT / "modules/quota", Path(__file__).parent / "world/modules/pier")
_BEHIND = ["neighbour", "projector", "relay", "reactor", "sweeper"]
LAYERS: dict[str, Any] = {
    "edge": {"modules": [], "roles": ["http"]},
    "app": {"modules": "*", "roles": _BEHIND},
}
_numbers = count(1)


def build(
    folder: Path,
    *,
    environment: Mapping[str, Any] | None = None,
    policies: Mapping[str, Any] | None = None,
    processes: Mapping[str, Any] | None = None,
) -> Path:
    """Write the project, with a topology and an environment `harbour`; return its root."""
    root = folder / f"harbour-{next(_numbers)}"
    (root / "modules").mkdir(parents=True)
    for module in _MODULES:
        (root / "modules" / module.name).symlink_to(module, target_is_directory=True)
    said = {
        "policies.yaml": {"roles": {"pier.reader": ["pier:read"]}, **(policies or {})},
        "environments/harbour.yaml": {"name": "harbour", **(environment or {})},
        "topologies/harbour.yaml": {"environment": "harbour", "processes": {**LAYERS, **(processes or {})}},
    }
    for name, content in said.items():
        path = root / "platform" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content))
    return root


class Gate:
    """A place where operations wait for the test (the module `pier`)."""

    def __init__(self, folder: Path) -> None:
        self.name = str(folder / f"gate-{next(_numbers)}")

    @property
    def reached(self) -> bool:
        """Somebody came to it."""
        return Path(f"{self.name}.at").exists()

    @property
    def left(self) -> bool:
        """Somebody who waited was sent away."""
        return Path(f"{self.name}.left").exists()

    def open(self) -> None:
        """Let everybody through."""
        Path(f"{self.name}.open").touch()


class Person(Client):
    """A process of the system, and somebody who calls it."""

    def __init__(self, system: System) -> None:
        super().__init__()
        self.system = system
        self.asgi = system.app

    async def close(self) -> None:
        """End the process; a second time does nothing."""
        await self.system.close()


class Harbour:
    """Opens the processes of a project that `build` has written, and closes them all."""

    def __init__(self, root: Path, environ: Mapping[str, str] | None = None) -> None:
        self.root = root
        self._environ = dict(environ or {})
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        # Not in the test's folder: the path of a socket is short.
        self.data = Path(self._open.enter_context(tempfile.TemporaryDirectory(prefix="harbour-", ignore_cleanup_errors=True)))
        self.model = load(
            self.root, topology="harbour", environment=None, flags={"--data": str(self.data)}, environ=self._environ
        )
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._open.aclose()

    async def open(self, process: str, environ: Mapping[str, str] | None = None, given: Given | None = None) -> Person:
        """Open a process of the topology."""
        variables = {**self._environ, **(environ or {})}
        system = await open_system(self.model, load_project(self.root), variables, given=given, part=Part(process))
        person = Person(system)
        self._open.push_async_callback(person.close)
        return person
