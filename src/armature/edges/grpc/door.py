"""The door to gRPC: opened only where a topology has role grpc.

grpcio is an extra and not part of the base install, so nothing else imports this edge's modules that need it by name.
"""

from importlib import import_module
from types import ModuleType

__all__ = ["GrpcMissing", "grpc_edge"]

_VENDORS = frozenset(["grpc", "google", "grpc_health", "grpc_reflection"])
_CURE = "install it with pip install 'armature[grpc]', or take role grpc out of the topology"


class GrpcMissing(Exception):
    """grpcio is not installed."""


def grpc_edge() -> ModuleType:
    """Return the edge's `app`; without grpcio refuse with the cure."""
    try:
        return import_module("armature.edges.grpc.app")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _VENDORS:
            raise
        raise GrpcMissing(f"the topology has role grpc, but grpcio is not there; {_CURE}") from error
