"""Rule `vendors`: a vendor stays in its drawer. This is the one table of who may know whom; what is not in it is refused."""

import sys
from collections.abc import Iterator, Mapping

from armature.checks.finding import Finding
from armature.checks.tree import FACE, Source, Tree

__all__ = ["ALLOWED", "findings"]

ALLOWED: Mapping[str, frozenset[str]] = {
    # Which package may be imported below which prefix. msgspec is part of the language here and may be imported anywhere.
    "armature.adapters.grpc": frozenset(["grpc", "cryptography"]),
    "armature.adapters.sqlite": frozenset(["apsw"]),
    "armature.adapters.httpx2": frozenset(["httpx2", "httpcore2"]),
    "armature.adapters.nats": frozenset(["nats"]),
    "armature.adapters.otlp": frozenset(["opentelemetry"]),
    "armature.adapters.postgres": frozenset(["asyncpg"]),
    "armature.adapters.prometheus": frozenset(["prometheus_client"]),
    "armature.adapters.redis": frozenset(["redis"]),
    "armature.adapters.structlog": frozenset(["structlog"]),
    "armature.edges.grpc": frozenset(["grpc", "google", "grpc_health", "grpc_reflection"]),
    "armature.clients.carried": frozenset(["httpx2"]),  # code for other people's processes; nothing here runs it
    "armature.edges.http": frozenset(["starlette", "uvicorn", "uvloop", "httptools"]),
    "armature.http": frozenset(["starlette"]),  # what hand-written routes of modules need of the web framework
    "armature.runtime.documents": frozenset(["yaml"]),
    "armature.conformance": frozenset(["pytest", "hypothesis"]),
    "armature.testing": frozenset(["pytest", "starlette"]),
    "armature.checks.sql": frozenset(["apsw"]),  # statements are prepared by the engine that will run them
    "armature.cli": frozenset(["click", "rich"]),
    "armature.cli.doctor": frozenset(["apsw"]),  # the version of SQLite is a question to the driver
}
_EVERYWHERE = frozenset(["msgspec"])
_IN_TESTS = frozenset(["pytest", "hypothesis"])
_OURS = frozenset([FACE, "modules", "tests", "bench"])


def findings(tree: Tree) -> list[Finding]:
    """Return imports of packages that are neither Python's own nor allowed at that place."""
    shipped = [source for sources in tree.modules(tests=True).values() for source in sources]
    return [one for source in (*tree.framework, *shipped) for one in _source(source)]


def _source(source: Source) -> Iterator[Finding]:
    allowed = _allowed(source)
    for one in source.imports:
        if one.top in sys.stdlib_module_names or one.top in _OURS or one.top in allowed:
            continue
        text = f"it imports {one.top}"
        yield source.found("vendors:import", one.line, text, _cure(source, one.top))


def _allowed(source: Source) -> frozenset[str]:
    found = set(_EVERYWHERE)
    for prefix, packages in ALLOWED.items():
        if source.name == prefix or source.name.startswith(f"{prefix}."):
            found |= packages
    return frozenset(found | _IN_TESTS) if source.in_tests else frozenset(found)


def _cure(source: Source, package: str) -> str:
    homes = sorted(prefix for prefix, packages in ALLOWED.items() if package in packages)
    if source.module:
        return "ask for a port in Needs; a module knows no vendor"
    if homes:
        return f"only {', '.join(homes)} may; ask for what it offers instead"
    return "write an adapter behind a port, and add its package to the table in checks/vendors.py"
