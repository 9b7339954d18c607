"""The door to NATS: opened only when a topology binds a port to it.

The client is an extra and not part of the base install, so nothing else imports the adapter's modules by name.
"""

from importlib import import_module
from types import ModuleType

__all__ = ["NatsMissing", "nats"]

_CURE = "install it with pip install 'armature[nats]'"


class NatsMissing(Exception):
    """The client of NATS is not installed."""


def nats(part: str) -> ModuleType:
    """Return a module of the adapter: `connection`, `bus`, `settings` or `signal`; without the client refuse with the cure.

    A process makes one `connection.NatsConnection(url)` and gives it to each of its ports.
    """
    try:
        return import_module(f"armature.adapters.nats.{part}")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "nats":
            raise
        raise NatsMissing(f"a port is bound to NATS, but its client nats-py is not there; {_CURE}") from error
