"""Could each process of the topology listen where it would? A fleet whose second process finds its port taken starts in part."""

import socket
from collections.abc import Iterator
from contextlib import closing

from msgspec import Struct

from armature.runtime.children import Child, children_of
from armature.runtime.diagnosis import Diagnosis, error, ok
from armature.runtime.model import Model

__all__ = ["Door", "examine", "port"]

_PORT_MAX = 65_535


class Door(Struct, frozen=True):
    """A port that a process listens on. `who` is empty where there is but one process; `flag` moves it."""

    who: str
    host: str
    number: int
    flag: str


def examine(model: Model) -> Iterator[Diagnosis]:
    """One answer for each port of each process, and one for all that take any free port."""
    doors = list(_doors(model))
    taken: dict[tuple[str, int], str] = {}
    for door in doors:
        if door.number and (first := taken.setdefault((door.host, door.number), door.who)) != door.who:
            text = f"{door.host}:{door.number} would be listened on by {first} and by {door.who}"
            yield error("port", text, f"move one of them: {_moved(door)}")
        elif door.number:
            yield port(door)
    for host in dict.fromkeys(door.host for door in doors if not door.number):
        yield ok("port", f"{host}: any free port")


def _doors(model: Model) -> Iterator[Door]:
    http, grpc = model.policies.http, model.policies.grpc
    several = sum(spec.replicas for spec in model.topology.processes.values()) > 1
    for child in children_of(model, lambda: 0) if several else [_alone(model)]:
        who = f"{child.name}'s " if several else ""
        kind = "requests" if child.takes_requests else "health"
        # All ports of a fleet are counted from those of the first process.
        yield Door(f"{who}{kind}", http.host, child.port, "--port" if several else child.flag)
        if child.admin_port is not None:
            yield Door(f"{who}admin", http.host, child.admin_port, "--admin-port")
        if child.grpc_port is not None:
            yield Door(f"{who}gRPC", grpc.host, child.grpc_port, "--grpc-port")


def _alone(model: Model) -> Child:
    """The one process of a topology: it is not supervised, and nothing is counted."""
    ((name, spec),) = model.topology.processes.items()
    http, takes = model.policies.http, "http" in spec.roles
    over_grpc = model.policies.grpc.port if "grpc" in spec.roles else None
    return Child(name, name, http.port if takes else http.health_port, takes, over_grpc, http.admin_port if takes else None)


def port(door: Door) -> Diagnosis:
    """Whether a server could listen there now. Binding is the only answer that counts: nothing is sent."""
    said = f"{door.host}:{door.number}"
    if door.number > _PORT_MAX:
        return error("port", f"{door.number} is above {_PORT_MAX} ({door.who})", f"count from a lower one: {door.flag} 8080")
    try:
        for family, address in _addresses(door.host, door.number):
            with closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
                # A server sets this too: a port whose last connections are still dying is free.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
                probe.listen(1)
    except PermissionError:
        return error("port", f"{said} is kept for administrators ({door.who})", f"pick one above 1023: {door.flag} 8080")
    except socket.gaierror:
        return error("port", f"'{door.host}' is no address of this machine", "write 127.0.0.1 or 0.0.0.0: --host 127.0.0.1")
    except OSError as failed:
        text = f"{said} cannot be bound ({failed.strerror}), and is for {door.who}"
        return error("port", text, f"stop who has it, or pick another: {_moved(door)}")
    return ok("port", f"{said} is free ({door.who})")


def _moved(door: Door) -> str:
    """A port so far away that others which count from the same one do not meet it."""
    return f"{door.flag} {door.number + (1_000 if door.number <= _PORT_MAX - 2_000 else -2_000)}"


def _addresses(host: str, number: int) -> Iterator[tuple[socket.AddressFamily, tuple[str, int]]]:
    for family, _, _, _, address in socket.getaddrinfo(host, number, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE):
        yield family, (str(address[0]), number)
