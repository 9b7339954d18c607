"""The door to gRPC between processes: opened only when the modules of a topology live in several of them.

gRPC is an extra and not part of the base install, so nothing else imports the adapter's modules by name.
"""

from importlib import import_module
from types import ModuleType

__all__ = ["GrpcMissing", "grpc"]

_CURE = "install it with pip install 'armature[grpc]'"
_ITS = ("grpc", "cryptography", "google")


class GrpcMissing(Exception):
    """gRPC is not installed."""


def grpc(part: str) -> ModuleType:
    """Return a module of the adapter: `links` or `certificates`; without gRPC refuse with the cure."""
    try:
        return import_module(f"armature.adapters.grpc.{part}")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _ITS:
            raise
        raise GrpcMissing(f"processes of this topology call each other by gRPC, and grpcio is not there; {_CURE}") from error
