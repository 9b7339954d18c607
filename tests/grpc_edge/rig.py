"""A process of a project, open with role grpc in this test's loop."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec import structs

from armature.runtime.model import load
from armature.runtime.process import System, open_system
from armature.runtime.project import load_project
from armature.runtime.topology import ProcessSpec, Topology
from armature.runtime.wire import Given

__all__ = ["KEY", "ROOT", "address", "serving"]

ROOT = Path(__file__).parents[2]
KEY = "0123456789abcdef0123456789abcdef"


@asynccontextmanager
async def serving(
    root: Path, data: Path, policies: Mapping[str, str], *, given: Given | None = None, environment: str = "dev"
) -> AsyncIterator[System]:
    """Open the project on both edges; gRPC listens on a free port. Policies are called as their variables."""
    environ = {
        "ARMATURE_CURSOR_KEY": KEY,
        "ARMATURE_GRPC__PORT": "0",
        **{f"ARMATURE_{name}": value for name, value in policies.items()},
    }
    model = load(root, topology="single", environment=environment, flags={"--data": str(data)}, environ=environ)
    process = ProcessSpec(roles=["http", "grpc", "projector", "sweeper", "relay", "reactor"])
    model = structs.replace(model, topology=Topology(name="single", processes={"app": process}))
    system = await open_system(model, load_project(root), environ, given=given)
    assert system.grpc is not None
    try:
        await system.grpc.start()
        yield system
    finally:
        await system.grpc.stop()
        await system.close()


def address(system: System) -> str:
    """Where its channel goes."""
    assert system.grpc is not None
    return system.grpc.address
