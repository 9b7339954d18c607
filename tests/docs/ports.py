"""docs/reference/ports.md: each port's laws and verbs, as its file states them."""

import ast
from collections.abc import Iterator
from pathlib import Path

__all__ = ["PROVEN_BY", "port_files", "ports_page"]

_PORTS = Path(__file__).parents[2] / "src" / "armature" / "ports"

_HEAD = """# Ports

<!-- Made by `python -m tests.docs.pages`; a test compares it with the code. -->

A port is a seam of a few verbs with laws. An adapter puts a vendor behind it and proves the laws by the port's conformance
classes in `armature.conformance`; an adapter without that proof does not exist. Clock and ids are handed in by the composition
root as plain functions and have no port file yet. What each adapter promises, and which law was seen to hold where:
[adapters](adapters.md).

| port | adapter here | proven by |
|---|---|---|
"""

PROVEN_BY = {
    "bus": (
        "memory, nats, redis",
        "`armature.conformance.bus` and `bus_crash`, run in `tests/conformance/test_nats_bus.py` and its neighbours",
    ),
    "cache": (
        "memory, redis, store",
        "`armature.conformance.cache`, run in `tests/conformance/test_cache.py` and `test_store_ports.py`",
    ),
    "database": (
        "postgres, sqlite, store",
        "`armature.conformance.database`, run in `tests/conformance/test_sqlite_database.py` and its neighbours",
    ),
    "http": ("httpx2", "`armature.conformance.http`, run in `tests/outbound/test_http.py`"),
    "limiter": (
        "memory, redis, store",
        "`armature.conformance.limiter`, run in `tests/conformance/test_limiter.py` and `test_store_ports.py`",
    ),
    "links": (
        "grpc, memory, nats",
        "`armature.conformance.links`, run in `tests/conformance/test_links.py` and `tests/neighbours`",
    ),
    "migrator": (
        "postgres, sqlite",
        "`armature.conformance.migrator`, run in `tests/migrations/test_sqlite_migrator.py` and its neighbour",
    ),
    "moving": (
        "postgres, sqlite",
        "`tests/moving/test_course.py` in a modelled world; its neighbours on real databases, and under load with kill -9",
    ),
    "numbering": ("postgres", "`tests/delivery/test_numbering.py`, and in virtual time in the simulation of the sequencer"),
    "signal": (
        "memory, nats, redis, store",
        "`armature.conformance.signal`, run in `tests/conformance/test_signal.py` and `test_store_ports.py`",
    ),
    "trace": ("otlp", "`tests/telemetry/test_trace.py`, against a collector on a socket"),
}
"""By port: the adapter that exists, and where its laws are proven."""


def port_files() -> dict[str, Path]:
    """Return the files of ports by name."""
    return {file.stem: file for file in sorted(_PORTS.glob("*.py")) if file.stem != "__init__"}


def ports_page() -> str:
    """Return the page."""
    rows = "".join(f"| [{name}](#{name}) | {adapter} | {proof} |\n" for name, (adapter, proof) in PROVEN_BY.items())
    return _HEAD + rows + "\n" + "\n".join(text for name, file in port_files().items() for text in _one(name, file))


def _one(name: str, file: Path) -> Iterator[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    yield f"## {name}\n"
    yield _laws(ast.get_docstring(tree) or "") + "\n"
    offered = _offered(tree)
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name in offered and _is_port(node):
            yield f"**{node.name}**: {(ast.get_docstring(node) or '').splitlines()[0]}\n"
            yield "| verb | what it does |\n|---|---|"
            yield from (_verb(method) for method in node.body if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef))
            yield ""


def _laws(text: str) -> str:
    """Numbered laws of a docstring as a list: an indent of one is no list in Markdown."""
    lines = text.splitlines()
    found = [line[1:] if line.startswith(" ") and not line.startswith("  ") else line for line in lines]
    out: list[str] = []
    for line in found:
        if line[:2].strip(".").isdigit() and out and out[-1] and not out[-1][0].isdigit() and not out[-1].startswith(" "):
            out.append("")
        out.append(line)
    return "\n".join(out)


def _offered(tree: ast.Module) -> set[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(one, ast.Name) and one.id == "__all__" for one in node.targets):
            return set(ast.literal_eval(node.value))
    return set()


def _is_port(node: ast.ClassDef) -> bool:
    return any(isinstance(base, ast.Name) and base.id == "Protocol" for base in node.bases)


def _verb(method: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    arguments = ast.unparse(method.args).removeprefix("self, ").removeprefix("self")
    result = ast.unparse(method.returns) if method.returns is not None else "None"
    shown = f"{method.name}({arguments}) → {result}".replace("|", "\\|")
    text = " ".join((ast.get_docstring(method) or "").split("\n\n")[0].split())
    return f"| `{'await ' if isinstance(method, ast.AsyncFunctionDef) else ''}{shown}` | {text} |"
