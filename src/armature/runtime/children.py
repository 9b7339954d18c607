"""The processes of a topology on one machine: which there are, where each listens, and when a fallen one starts again. Pure."""

import random
import signal
import socket
from collections.abc import Callable

from msgspec import Struct

from armature.runtime.model import Model

__all__ = ["Child", "Restarts", "children_of", "ended"]

# A child that lived so long is not in a circle of falls: its next fall counts as the first.
_STEADY_SECONDS = 60.0
_DELAY_SECONDS_MIN = 0.25
_DELAY_SECONDS_MAX = 15.0
_FALLS_MAX = 6

_HEALTH_ABOVE = 100
"""Health of a process without requests is told so far above the first port of requests."""


class Child(Struct, frozen=True):
    """One process to run. `name` is unique (`web.2`); without role http its port tells its health alone."""

    name: str
    process: str
    port: int
    takes_requests: bool
    grpc_port: int | None = None
    """Where it takes calls over gRPC, 0 for any free port; None without role grpc."""
    admin_port: int | None = None
    """Where it answers operators, 0 for any free port; None where that is its own port."""

    @property
    def flag(self) -> str:
        """The flag its port is given with."""
        return "--port" if self.takes_requests else "--health-port"


def children_of(model: Model, free: Callable[[], int] | None = None) -> list[Child]:
    """Return every replica of every process, those that take requests last: they start last, and leave first.

    Ports count up from `http.port`, `http.admin_port` and `grpc.port`; with port 0 each takes a free one (`free` finds it).
    """
    first, admin = model.policies.http.port, model.policies.http.admin_port
    free = free or _free_port
    work, requests, calls = 0, 0, 0
    children: list[Child] = []
    for name, spec in model.topology.processes.items():
        takes = "http" in spec.roles
        for replica in range(1, spec.replicas + 1):
            port = _counted(first, requests if takes else _HEALTH_ABOVE + work) or free()
            operators = _counted(admin, requests) if takes and admin is not None else None
            over_grpc = _counted(model.policies.grpc.port, calls) if "grpc" in spec.roles else None
            requests, work, calls = requests + takes, work + (not takes), calls + (over_grpc is not None)
            shown = f"{name}.{replica}" if spec.replicas > 1 else name
            children.append(Child(shown, name, port, takes, over_grpc, operators))
    return sorted(children, key=lambda child: child.takes_requests)


def _counted(first: int, before: int) -> int:
    """The port of who comes after so many others; 0, which is any, stays 0."""
    return first + before if first else 0


class Restarts:
    """When a child that fell starts again: later each time, and after too many falls in a row not at all.

    A child that ended because a server is away (`patient`) is started for as long as it takes: nothing is wrong with it.
    """

    def __init__(self, chance: Callable[[], float] = random.random) -> None:
        self._chance = chance
        self._falls = 0

    def after(self, lived_seconds: float, *, patient: bool = False) -> float | None:
        """Return the pause before the next start, None when it is given up."""
        self._falls = 1 if lived_seconds >= _STEADY_SECONDS else self._falls + 1
        if self._falls > _FALLS_MAX and not patient:
            return None
        delay: float = min(_DELAY_SECONDS_MAX, _DELAY_SECONDS_MIN * 2 ** min(self._falls - 1, 10))
        return delay * (0.75 + 0.5 * self._chance())


def ended(code: int) -> str:
    """Return in words what a process ended with."""
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name


def _free_port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        port: int = door.getsockname()[1]
        return port
