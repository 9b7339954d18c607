"""With which vendors and sizes a topology runs: the shape of `platform/environments/*.yaml`, and what holds without one."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit, urlunsplit

from msgspec import Meta, field

from armature.engine.policies import Policies, Section

__all__ = [
    "BUILT_IN",
    "Address",
    "CacheBinding",
    "DatabaseBinding",
    "Environment",
    "EnvironmentFile",
    "SecretName",
    "SecretReference",
    "is_reference",
    "masked",
]

SecretName = Literal["keys.cursor"]
"""The one list of secrets: keys.cursor signs the cursors of pages."""

SecretReference = Annotated[str, Meta(pattern=r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:[^\s].*)$")]
"""Where a secret is, `env:NAME` or `file:PATH`; the secret itself never stands in a file of the model."""


Address = Annotated[str, Meta(pattern=r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:[^\s].*|[a-z][a-z0-9+.-]*://\S+)$")]
"""Where a server is: `env:NAME` or `file:PATH` (where its address is kept), or the address itself when it holds no password."""


class DatabaseBinding(Section, frozen=True):
    """The database of the modules."""

    adapter: Literal["sqlite", "postgres"] = "sqlite"
    """The vendor."""
    path: str = "{data}/armature.db"
    """SQLite: the database file; `{data}` is the data folder."""
    url: Address | None = None
    """PostgreSQL: the address the system reads and writes with, `postgresql://user@host/database`."""
    owner_url: Address | None = None
    """PostgreSQL: the address that migrates, when the owner of the tables is another user; None: as `url`."""
    connections_max: Annotated[int, Meta(ge=1)] = 200
    """PostgreSQL: how many connections the server lets this system hold; `armature check topology` adds up what it may take."""


class BusBinding(Section, frozen=True):
    """Where events travel to other processes."""

    adapter: Literal["memory", "nats", "redis"] = "memory"
    """The vendor; `memory` reaches one process."""
    url: Address | None = None
    """The server's address: `nats://host:4222`, `redis://host:6379/0`."""


class SignalBinding(Section, frozen=True):
    """Best-effort words between processes: wake up, look again."""

    adapter: Literal["memory", "nats", "redis"] = "memory"
    """The vendor; `memory` reaches one process."""
    url: Address | None = None
    """The server's address: `nats://host:4222`, `redis://host:6379/0`."""


class CacheBinding(Section, frozen=True):
    """Where answers of cached queries are kept."""

    adapter: Literal["memory", "redis"] = "memory"
    """The vendor; `memory` is one process's own."""
    url: Address | None = None
    """The server's address: `redis://host:6379/0`."""


class LimiterBinding(Section, frozen=True):
    """Where calls are counted for rate limits."""

    adapter: Literal["memory", "redis"] = "memory"
    """The vendor; with `memory` each process counts alone."""
    url: Address | None = None
    """The server's address: `redis://host:6379/0`."""


class NeighbourBinding(Section, frozen=True):
    """How processes of a topology ask each other for the modules they host."""

    transport: Literal["grpc", "nats"] = "grpc"
    """`grpc`: straight to the process, over a socket of this machine or by address; `nats`: over a server, without addresses."""
    url: Address | None = None
    """NATS: the server's address."""
    listen: str | None = None
    """gRPC: where a process answers, `host:port`; None: on a socket of this machine."""
    addresses: dict[str, str] = field(default_factory=dict)
    """gRPC: where processes answer, by their names in the topology: `counter: counter.internal:9443`; commas between replicas."""
    certificate: str | None = None
    """gRPC: the process's certificate (PEM), which its peers ask for; `{process}` and `{data}` stand for what they say."""
    key: str | None = None
    """gRPC: the key of the certificate (PEM)."""
    authority: str | None = None
    """gRPC: the certificates of those who may sign a peer's (PEM)."""
    admitted: list[str] = field(default_factory=list)
    """gRPC: names of which a peer's certificate must bear one; empty: the processes of the topology."""


class Environment(Section, frozen=True):
    """What an environment is, apart from its policies."""

    name: str = ""
    """The file's name without its ending; may be left out."""
    production: bool = False
    """True forbids what only development may do (identities from headers, internals in errors, generated keys)."""
    data: str = "data"
    """The data folder; a relative path starts at the project's root."""
    installation: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$")] | None = None
    """What begins every name on servers that several installations may share; None: the project folder's name. A production
    environment with NATS or Redis has to say it."""
    database: DatabaseBinding = field(default_factory=DatabaseBinding)
    """The database's vendor and place."""
    databases: dict[str, DatabaseBinding] = field(default_factory=dict)
    """Further databases by name, each with a log of its own; a process of the topology names the one it lives on."""
    bus: BusBinding = field(default_factory=BusBinding)
    """The broker's vendor and place."""
    signal: SignalBinding = field(default_factory=SignalBinding)
    """The vendor and place of signals."""
    cache: CacheBinding = field(default_factory=CacheBinding)
    """The cache's vendor and place."""
    limiter: LimiterBinding = field(default_factory=LimiterBinding)
    """The limiter's vendor and place."""
    neighbours: NeighbourBinding = field(default_factory=NeighbourBinding)
    """How processes ask each other."""
    secrets: dict[SecretName, SecretReference] = field(default_factory=dict)
    """References to secrets by name: `keys.cursor: env:ARMATURE_CURSOR_KEY`."""


class EnvironmentFile(Environment, frozen=True):
    """An environment as its file has it: with overrides of the platform's policies."""

    policies: Policies = field(default_factory=Policies)
    """Any keys of policies.yaml; they win over the ones there."""


BUILT_IN: Mapping[str, Mapping[str, Any]] = {
    "dev": {},
    "production": {
        "production": True,
        "secrets": {"keys.cursor": "env:ARMATURE_CURSOR_KEY"},
        "policies": {
            "http": {
                "development_identity": False,
                "error_details": False,
                "drain_notice_seconds": 5.0,
                "admin_port": 9190,
            },
            "observe": {"log_format": "json"},
        },
    },
}
"""The environments of a project without a `platform/` folder, as when Armature is mounted inside another application."""


def is_reference(address: str) -> bool:
    """Whether a text says where an address is kept, and not which."""
    return address.startswith(("env:", "file:"))


def masked(address: str) -> str:
    """Return the address without its password; a reference is shown as it is, since it says where and not what."""
    if is_reference(address):
        return address
    try:
        parts = urlsplit(address)
    except ValueError:
        return "****"
    user, at, host = parts.netloc.rpartition("@")
    name, colon, _ = user.partition(":")
    query = re.sub(r"(?i)((?:^|&)[^=&]*(?:pass|secret|token|key)[^=&]*=)[^&]*", r"\1****", parts.query)
    return urlunsplit(parts._replace(netloc=f"{name}{':****' if colon else ''}{at}{host}", query=query))
