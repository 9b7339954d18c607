"""Which certificates a process shows, to its neighbours and to callers of its gRPC port, and how long these are good."""

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from armature.adapters.grpc.door import grpc
from armature.engine.meters import Labels
from armature.runtime.model import Model

__all__ = [
    "DAYS_SOON",
    "Certificate",
    "Watched",
    "certificate_files",
    "certificate_of",
    "certificate_of_port",
    "days_left",
    "port_files",
    "unusable_of_port",
    "watched",
]

DAYS_SOON = 14
"""Below so many days doctor and log speak of a certificate's end."""


class Certificate(Struct, frozen=True):
    """What a process's certificate says of its bearer."""

    names: frozenset[str]
    ends: datetime
    days_left: int


class Watched(Protocol):
    """A certificate whose files are read again when they change."""

    certificate: Path

    @property
    def ends(self) -> datetime | None:
        """When it ends; None as long as there was nothing that could be used."""
        ...

    @property
    def days_left(self) -> float | None:
        """Days until then, negative when it is over."""
        ...


def certificate_files(model: Model, process: str) -> list[Path]:
    """Return where a process has its certificate, its key and the authority; empty when the environment names none."""
    binding = model.environment.neighbours
    named = [one for one in (binding.certificate, binding.key, binding.authority) if one is not None]
    return [model.root / one.replace("{data}", str(model.data)).replace("{process}", process) for one in named]


def port_files(model: Model) -> list[Path]:
    """Return the certificate and the key of the gRPC port; empty when the policies do not name both."""
    policy = model.policies.grpc
    named = [Path(one) for one in (policy.tls_certificate, policy.tls_key) if one is not None]
    return named if len(named) == 2 else []


def certificate_of(model: Model, process: str) -> Certificate | str:
    """Return what a process shows others; for files that cannot be used why, and the cure after a semicolon."""
    part = grpc("tls")
    return _examined(lambda: part.examine(part.TlsFiles(*certificate_files(model, process))))


def certificate_of_port(model: Model) -> Certificate | str:
    """Return what the gRPC port shows its callers; for files that cannot be used why, and the cure after a semicolon."""
    part = grpc("shown")
    return _examined(lambda: part.Pair(*port_files(model)).current(part.now_utc())[2])


def unusable_of_port(model: Model) -> str | None:
    """Return why the gRPC port could not start with its files; None when it could. It shows one that has ended, too."""
    part = grpc("shown")
    found = _examined(lambda: part.Pair(*port_files(model)).read()[2])
    return found if isinstance(found, str) else None


def _examined(examine: Callable[[], Certificate]) -> Certificate | str:
    try:
        shown = examine()
    except grpc("shown").TlsRefused as refused:
        return str(refused)
    return Certificate(shown.names, shown.ends, shown.days_left)


def watched(model: Model, process: str, *, linked: bool, port: bool) -> Mapping[str, Watched]:
    """Return the certificates that a process shows, by door: as one that is `linked` to others, and on its gRPC `port`."""
    shown = {"neighbours": certificate_files(model, process)[:2] if linked else [], "grpc": port_files(model) if port else []}
    return {name: grpc("shown").Expiry(*files) for name, files in shown.items() if files}


def days_left(seen: Mapping[str, Watched]) -> Mapping[Labels, float]:
    """Return for how many days each of them is good."""
    return {(name,): days for name, one in seen.items() if (days := one.days_left) is not None}
