"""Rule `outside`: a module does not see the outside world. Clock, ids and chance come from `ctx`, so that a command can be
run again, a recorded call replayed and a test's clock moved; files and sockets belong to adapters."""

import ast
import sys
from collections.abc import Iterator, Mapping

from armature.checks.finding import Finding
from armature.checks.imports import Import
from armature.checks.tree import Source, Tree

__all__ = ["PURE", "findings"]

PURE = frozenset(
    {
        "__future__",
        "abc",
        "base64",
        "binascii",
        "bisect",
        "calendar",
        "cmath",
        "codecs",
        "collections",
        "colorsys",
        "contextlib",
        "copy",
    }
    | {
        "csv",
        "dataclasses",
        "datetime",
        "decimal",
        "difflib",
        "email.utils",
        "enum",
        "fractions",
        "functools",
        "graphlib",
        "hashlib",
        "heapq",
    }
    | {"hmac", "html", "inspect", "io", "ipaddress", "itertools", "json", "keyword", "logging", "math", "numbers", "operator"}
    | {
        "re",
        "statistics",
        "string",
        "struct",
        "textwrap",
        "types",
        "typing",
        "unicodedata",
        "urllib.parse",
        "uuid",
        "warnings",
        "zlib",
    }
    | {"zoneinfo"}
)
"""Parts of the standard library that give the same answer every time."""

_ASYNCIO = frozenset(["gather", "TaskGroup", "CancelledError"])

_CURES: Mapping[str, str] = {
    "time": "take ctx.now; for a duration, subtract two events' times",
    "random": "take ctx.new_id() for ids; draw chance in domain from a seed that is an argument",
    "secrets": "take ctx.new_id(); tokens are the framework's business",
    "os": "configuration is read at the door: ask for a policy",
    "socket": "ask for a port in Needs, and use it in external.py",
    "pathlib": "files belong to adapters; ask for a port in Needs",
    "threading": "background work is a job, a reaction or background.py",
    "subprocess": "background work is a job; another program is an adapter's business",
    "asyncio": "waiting belongs to the roles: write a job, a reaction or one step of background.py",
    "sys": "a module cannot see the process it runs in",
}
_ANY_CURE = "ask for a port in Needs; what has no port is an adapter's business"

_BUILTINS = {
    "open": "pathlib",
    "input": "sys",
    "print": "sys",
    "exec": "sys",
    "eval": "sys",
    "__import__": "sys",
    "breakpoint": "sys",
}
_CLOCKS = frozenset({"now", "utcnow", "today"})
_CHANCE = frozenset({"uuid1", "uuid4", "uuid6", "uuid7"})


def findings(tree: Tree) -> list[Finding]:
    """Return places where a module's code reads the clock, rolls dice, waits, or touches files, sockets and processes."""
    sources = [source for own in tree.modules().values() for source in own]
    found = [one for source in sources for taken in source.imports for one in _import(source, taken)]
    return found + [one for source in sources for one in (*_calls(source), *_names(source))]


def _import(source: Source, one: Import) -> Iterator[Finding]:
    known = one.module in PURE or (one.name and f"{one.module}.{one.name}" in PURE) or one.module.rpartition(".")[0] in PURE
    if known and not (one.module == "uuid" and one.name in _CHANCE):
        return
    if one.module == "asyncio" and (one.name is None or one.name in _ASYNCIO):
        return
    if one.module == "uuid":
        yield source.found("outside:chance", one.line, f"{one.name} is chance", _CURES["random"])
    elif one.top in sys.stdlib_module_names:
        whole = f"{one.module}.{one.name}" if one.name else one.module
        yield source.found("outside:import", one.line, f"it imports {whole}", _CURES.get(one.top, _ANY_CURE))


def _calls(source: Source) -> Iterator[Finding]:
    for call in source.all(ast.Call):
        name = call.func.id if isinstance(call.func, ast.Name) else ""
        if name in _BUILTINS:
            yield source.found("outside:call", call, f"it calls {name}()", _CURES[_BUILTINS[name]])


def _names(source: Source) -> Iterator[Finding]:
    """`datetime.now`, called or handed on, under whatever name it was imported."""
    taken = {one.alias: f"{one.module}.{one.name}" if one.name else one.module for one in source.imports}
    for node in source.all(ast.Attribute):
        owner = ast.unparse(node.value)
        first, _, rest = owner.partition(".")
        whole = ".".join(filter(None, [taken.get(first, ""), rest]))
        if node.attr in _CLOCKS and whole in ("datetime.datetime", "datetime.date"):
            yield source.found("outside:clock", node, f"it asks the machine's clock: {owner}.{node.attr}", _CURES["time"])
        elif node.attr in _CHANCE and whole == "uuid":
            yield source.found("outside:chance", node, f"{owner}.{node.attr} is chance", _CURES["random"])
        elif whole == "asyncio" and node.attr not in _ASYNCIO:
            yield source.found("outside:call", node, f"it uses asyncio.{node.attr}", _CURES["asyncio"])
