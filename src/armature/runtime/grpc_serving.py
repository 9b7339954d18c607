"""The gRPC side of a process: the same operations, guard and identities as over HTTP, on a port of its own."""

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any, Protocol

from armature.edges.grpc.door import GrpcMissing, grpc_edge
from armature.edges.grpc.numbering import Pins
from armature.edges.grpc.schema import packages
from armature.edges.grpc.schema_text import pins
from armature.engine.served import Served
from armature.runtime.problems import ModelError, Problem
from armature.runtime.project import contract_name
from armature.runtime.serving import Apps, Face, codec_of, followed_over, served_over
from armature.runtime.wire import Core

__all__ = ["GrpcListener", "grpc_serving"]


class GrpcListener(Protocol):
    """The server, as a process handles it: without grpcio its class cannot be named."""

    working: set[Any]

    @property
    def address(self) -> str:
        """`host:port`."""
        ...

    async def start(self) -> None:
        """Bind and accept."""
        ...

    async def drain(self, seconds: float) -> int:
        """Say goodbye, answer what was taken, close; return how many calls were cut."""
        ...

    async def stop(self) -> None:
        """Close everything now."""
        ...


def grpc_serving(core: Core, apps: Apps, face: Face) -> GrpcListener | None:
    """Return the process's server for gRPC, not started; without role grpc None. Without grpcio a `ModelError` with the cure."""
    if "grpc" not in core.seat.roles:
        return None
    edge = _edge(core)
    pipelines, feeds = served_over(core, "grpc"), followed_over(core, "grpc")
    names = {one.operation.contract for one in [*pipelines, *feeds]}
    contracts = [one for module in core.whole.modules for one in module.contracts if contract_name(one) in names]
    offered = edge.Offered(contracts, _by_name(pipelines), _by_name(feeds), _pinned(core, contracts))
    policies = core.model.policies
    serving = edge.Serving(
        policy=policies.grpc,
        doors=apps.doors,
        meters=core.instruments.count_grpc(),
        positions=codec_of(face),
        prefix=lambda version: policies.http.prefix.format(version=version),
        live=apps.live,
        missing=face.health.missing,
        production=core.model.environment.production,
        message_seconds=policies.http.body_seconds,
    )
    made: GrpcListener = edge.grpc_server(offered, serving)
    return made


def _edge(core: Core) -> ModuleType:
    try:
        return grpc_edge()
    except GrpcMissing as missing:
        text, _, cure = str(missing).partition("; ")
        file = f"platform/topologies/{core.model.topology.name}.yaml"
        raise ModelError([Problem(file, 0, "processes", text, cure)]) from missing


def _by_name(pipelines: Sequence[Served]) -> Mapping[str, Served]:
    return {one.operation.full_name: one for one in pipelines}


def _pinned(core: Core, contracts: list[type]) -> dict[str, Pins]:
    """The numbers that the committed documents have promised to clients."""
    found: dict[str, Pins] = {}
    for package in packages(contracts):
        committed = core.model.root / "contracts" / f"{package}.proto"
        if committed.exists():
            found[package] = pins(committed.read_text())
    return found
