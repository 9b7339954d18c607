"""What types cannot say about policies: forms inside text, keys that contradict each other, and what production forbids."""

import re
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from urllib.parse import urlsplit

from armature.engine.policies import HttpPolicy, Policies
from armature.ports.limiter import Rate
from armature.runtime.environment import Environment, is_reference, masked
from armature.runtime.problems import Problem
from armature.runtime.topology import Topology

__all__ = ["examine"]

Said = tuple[str, str, str]
"""Key, what is wrong, the cure."""

Place = Callable[[str], tuple[str, int]]
"""Where a key's value came from: file (or variable, or flag) and line."""


_EVERYWHERE = frozenset(("0.0.0.0", "::"))


def examine(policies: Policies, environment: Environment, topology: Topology, place: Place) -> Iterator[Problem]:
    """All problems of the settled values, each at the place that its value came from."""
    for rule in (_addresses, _paths, _origins, _proxies, _rates, _outside_addresses):
        for key, text, cure in rule(policies):
            yield Problem(*place(key), key, text, cure)
    for key, text, cure in (*_of(policies, environment), *_shared_ports(policies, topology)):
        yield Problem(*place(key), key, text, cure)


def _of(policies: Policies, environment: Environment) -> Iterator[Said]:
    yield from _database(environment)
    yield from _servers(environment)
    yield from _neighbours(environment)
    yield from _production(policies.http, environment)


def _addresses(policies: Policies) -> Iterator[Said]:
    http = policies.http
    if not http.host.strip():
        yield "http.host", "is empty", "write 127.0.0.1 for this machine only, 0.0.0.0 for all its addresses"
    if http.admin_port and http.admin_port == http.port:
        yield "http.admin_port", f"is {http.port}, as http.port is", "pick another port, or null to share the main one"


def _shared_ports(policies: Policies, topology: Topology) -> Iterator[Said]:
    """Whoever plays both edges listens on each one's ports: the second listener would find its port taken."""
    http, grpc = policies.http, policies.grpc
    both = [name for name, process in topology.processes.items() if {"http", "grpc"}.issubset(process.roles)]
    meet = http.host == grpc.host or not _EVERYWHERE.isdisjoint((http.host, grpc.host))
    if not both or not meet or not grpc.port:
        return
    for key, port, other in (("http.admin_port", http.admin_port, "grpc.port"), ("grpc.port", grpc.port, "http.port")):
        if port == (grpc.port if other == "grpc.port" else http.port):
            yield key, f"is {port}, as {other} is, and process '{both[0]}' listens on both", "pick another port for one of them"


def _paths(policies: Policies) -> Iterator[Said]:
    prefix = policies.http.prefix
    if prefix and (not prefix.startswith("/") or prefix.endswith("/")):
        yield "http.prefix", f"'{prefix}' is no prefix", "start it with a slash and end it without, as in /v{version}"
    if re.search(r"[{}]", prefix.replace("{version}", "")):
        yield "http.prefix", f"'{prefix}' has an unknown placeholder", "only {version} stands for something"
    for alias, target in policies.http.aliases.items():
        if not alias.startswith("/") or not target.startswith("/"):
            yield "http.aliases", f"'{alias}: {target}' is no pair of paths", "start both with a slash"
        elif alias == target:
            yield "http.aliases", f"'{alias}' points at itself", "remove it"


def _origins(policies: Policies) -> Iterator[Said]:
    for origin in policies.http.cors_origins:
        if origin == "*":
            yield "http.cors_origins", "'*' would let every site read answers", "list each origin that may"
        elif not re.fullmatch(r"https?://[^/\s?#@*]+", origin):
            cure = "write scheme and host as the browser sends them: https://app.example.org"
            yield "http.cors_origins", f"'{origin}' is no origin", cure


def _proxies(policies: Policies) -> Iterator[Said]:
    for network in policies.http.trusted_proxies:
        try:
            ip_network(network)
        except ValueError as error:
            yield "http.trusted_proxies", str(error), "write addresses or networks: 10.0.0.0/8"


def _rates(policies: Policies) -> Iterator[Said]:
    rates = {f"limits.operations '{name}'": rate for name, rate in policies.limits.operations.items()}
    for key, rate in [("limits.default", policies.limits.default), *rates.items()]:
        try:
            if rate is not None:
                Rate.parse(rate)
        except ValueError as error:
            said, _, accepted = str(error).partition("; ")
            yield key.partition(" ")[0], f"{key.partition(' ')[2]} {said}".strip(), accepted


def _outside_addresses(policies: Policies) -> Iterator[Said]:
    endpoint = policies.observe.otlp_endpoint
    if endpoint is not None:
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            yield "observe.otlp_endpoint", "is no address", "write http://host:4318"
        if "@" in parts.netloc:
            yield "observe.otlp_endpoint", "carries a password", "remove it: a secret never stands in the model"
    for host in policies.outbound.allow_hosts:
        if not re.fullmatch(r"[^\s/@?#]+", host):
            yield "outbound.allow_hosts", f"'{host}' is no host", "write the name or address alone: intranet.example.org"


def _database(environment: Environment) -> Iterator[Said]:
    path = environment.database.path
    if not path.strip():
        yield "database.path", "is empty", "write {data}/armature.db"
    if re.search(r"[{}]", path.replace("{data}", "")):
        yield "database.path", f"'{path}' has an unknown placeholder", "only {data} stands for something"
    if not environment.data.strip():
        yield "data", "is empty", "write a folder, as in data"


_REACH = {"postgres": "ARMATURE_POSTGRES_URL", "nats": "ARMATURE_NATS_URL", "redis": "ARMATURE_REDIS_URL"}


def _servers(environment: Environment) -> Iterator[Said]:
    for port in ("database", "bus", "signal", "cache", "limiter"):
        binding = getattr(environment, port)
        if binding.adapter in _REACH and binding.url is None:
            yield f"{port}.url", f"is missing, and {binding.adapter} is a server", f"write `url: env:{_REACH[binding.adapter]}`"
        if binding.adapter not in _REACH and binding.url is not None:
            yield f"{port}.url", f"is given, and {binding.adapter} has no server", "remove it, or name another adapter"
        for key in ("url", "owner_url"):
            address = getattr(binding, key, None) or ""
            if not is_reference(address) and masked(address) != address:
                text = "holds a password, and a secret never stands in the model"
                yield f"{port}.{key}", text, "keep the address in a variable or a file: `env:NAME`, `file:PATH`"


def _neighbours(environment: Environment) -> Iterator[Said]:
    neighbours = environment.neighbours
    if neighbours.transport == "nats":
        if neighbours.url is None:
            yield "neighbours.url", "is missing, and nats is a server", "write `url: env:ARMATURE_NATS_URL`"
        return
    if neighbours.url is not None:
        yield "neighbours.url", "is given, and gRPC has no server", "remove it, or write `transport: nats`"
    written = [address.strip() for replicas in neighbours.addresses.values() for address in replicas.split(",")]
    for name, address in [("listen", neighbours.listen or "h:1"), *(("addresses", one) for one in written)]:
        if not re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^\s/@:]+):\d{1,5}", address):
            yield f"neighbours.{name}", f"'{address}' is no address", "write host:port, as in counter.internal:9443"
    files = {"certificate": neighbours.certificate, "key": neighbours.key, "authority": neighbours.authority}
    shown = [name for name, file in files.items() if file]
    if shown and len(shown) < len(files):
        missing = ", ".join(name for name in files if name not in shown)
        cure = "give all three, or none on a machine of one's own; `armature certs dev` makes them"
        yield f"neighbours.{shown[0]}", f"is given without {missing}", cure
    for name, given in (("listen", neighbours.listen), ("addresses", neighbours.addresses)):
        if given and not shown:
            text = "is given without certificates, and whoever reaches the port would be heard"
            cure = "give certificate, key and authority; `armature certs dev` makes them"
            yield f"neighbours.{name}", text, cure


def _production(http: HttpPolicy, environment: Environment) -> Iterator[Said]:
    if not environment.production:
        return
    if http.development_identity:
        text = "is true, and environment '%s' is production: whoever sends X-Actor would be believed"
        yield "http.development_identity", text % environment.name, "write development_identity: false"
    if http.error_details:
        text = "is true, and environment '%s' is production: internals would be shown to callers"
        yield "http.error_details", text % environment.name, "write error_details: false"
    if "keys.cursor" not in environment.secrets:
        text = f"is missing, and environment '{environment.name}' is production: no key is made up there"
        yield "secrets.keys.cursor", text, "write `keys.cursor: env:ARMATURE_CURSOR_KEY` under secrets"
    if environment.installation is None and (shared := _shared(environment)):
        text = f"is missing, and environment '{environment.name}' is production: names on {shared} would begin with a folder's"
        cure = "write `installation: NAME`; where one runs already, its project folder's name, and it keeps what is there"
        yield "installation", text, cure


def _shared(environment: Environment) -> str:
    """The servers that other installations may use as well, and that tell them apart by name alone; empty: none."""
    bindings = (environment.bus, environment.signal, environment.cache, environment.limiter)
    adapters = {binding.adapter for binding in bindings} | {environment.neighbours.transport}
    return " and ".join(shown for adapter, shown in (("nats", "NATS"), ("redis", "Redis")) if adapter in adapters)
