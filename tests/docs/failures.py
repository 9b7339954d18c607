"""docs/reference/failures.md: every code a caller can meet, with kind, status and cure."""

import ast
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import armature
from armature.edges.grpc.status import STATUS as CODES
from armature.edges.grpc.status import status_of as code_of
from armature.edges.http.problem import STATUS, TITLES, status_of
from armature.kernel.failure import Failure
from tests.docs.cures import CURES, GATE_CURES

__all__ = ["declared", "failures_page", "gate"]

_ROOT = Path(__file__).parents[2]
_EDGE = _ROOT / "src" / "armature" / "edges" / "http"
_CONTRACTS = [f"modules.{path.parent.name}.contract" for path in sorted((_ROOT / "modules").glob("*/module.yaml"))]

_HEAD = """# Failures

<!-- Made by `python -m tests.docs.pages`; a test compares it with the code. -->

A failure is an outcome the caller can act on. It has a *kind*, a stable *code* (`domain:reason`) and fields of its own. Over HTTP
it is an `application/problem+json` (RFC 9457):

| field | what it is |
|---|---|
| `type` | `urn:problem:<code>` |
| `title`, `status` | of the kind, see below |
| `detail` | one sentence with the values filled in; for people, may change |
| `instance` | the path that was asked |
| `code`, `kind` | what programs decide on; stable |
| `timestamp`, `trace_id` | when, and in which trace (null when nobody traces) |
| `errors` | with `request:invalid`: up to 20 entries `{path, message}` |
| `details` | the cause of a bug; in development only |

The failure's own fields stand beside these. `Retry-After` is sent where waiting helps.

Over gRPC it is a status with `google.rpc.Status` in the trailing metadata `grpc-status-details-bin`: an `ErrorInfo` whose
`reason` is the code and whose `metadata` are the fields, a `BadRequest` with the entries of `errors`, a `RetryInfo` where waiting
helps
([the guide](../guides/grpc.md)).

## Kinds

| kind | HTTP | gRPC | title |
|---|---|---|---|
"""


def failures_page() -> str:
    """Return the page."""
    kinds = "".join(f"| `{kind.name}` | {status} | {CODES[kind].name} | {TITLES[kind]} |\n" for kind, status in STATUS.items())
    found = declared()
    ours = [one for code, one in found.items() if not one.__module__.startswith("modules.")]
    parts = [_HEAD + kinds, "\n## The platform's\n", "Any operation may answer with these; contracts do not list them.\n"]
    parts += [line for one in ours for line in _one(one)]
    for contract in _CONTRACTS:
        theirs = [one for one in found.values() if one.__module__ == contract]
        if theirs:
            name = contract.split(".")[1]
            parts += [
                f"## The module {name}'s\n",
                "Contracts list these in `refuses=[…]`; anything else that is raised is a bug.\n",
            ]
            parts += [line for one in theirs for line in _one(one)]
    parts += ["## The gate's\n", _GATE]
    parts += [line for code, entry in gate().items() for line in _gate_one(code, *entry)]
    return "\n".join(parts)


_GATE = """Said to bytes that never become a request. The connection closes after each of them: once framing is in doubt, the next
byte may belong to somebody else's request.
"""


def declared() -> dict[str, type[Failure]]:
    """Return every failure that the platform and the modules of this repository declare, by code."""
    for module in pkgutil.walk_packages(armature.__path__, "armature."):
        if ".templates" not in module.name and module.name != "armature.testing.plugin":
            importlib.import_module(module.name)
    for contract in _CONTRACTS:
        importlib.import_module(contract)
    ours = ("armature.", *_CONTRACTS)
    found = {one.code: one for one in _below(Failure) if "code" in vars(one) and one.__module__.startswith(ours)}
    return dict(sorted(found.items()))


def _below(failure: type[Failure]) -> Iterator[type[Failure]]:
    for one in failure.__subclasses__():
        yield one
        yield from _below(one)


def gate() -> dict[str, tuple[int, list[str]]]:
    """Return what the gate can say: code, status, and each sentence, read from the places that say it."""
    found: dict[str, tuple[int, list[str]]] = {}
    for file in sorted(_EDGE.glob("protocol*.py")):
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or len(call.args) < 2:
                continue
            first = call.args[0]
            if call.func.id == "malformed" and isinstance(first, ast.Constant):
                _note(found, "http:" + str(first.value), 400, call.args[1])
            elif call.func.id == "Refusal" and isinstance(call.args[1], ast.Constant) and isinstance(first, ast.Constant):
                _note(found, str(call.args[1].value), int(str(first.value)), call.args[2])
    return dict(sorted(found.items()))


def _note(found: dict[str, tuple[int, list[str]]], code: str, status: int, detail: ast.expr) -> None:
    said = found.setdefault(code, (status, []))[1]
    text = str(detail.value) if isinstance(detail, ast.Constant) else ast.unparse(detail)[2:-1]
    if text not in said:
        said.append(text)


def _one(failure: type[Failure]) -> Iterator[str]:
    yield f"### {failure.code}\n"
    yield f"{(failure.__doc__ or '').strip().splitlines()[0]}\n"
    fields = ", ".join(f"`{name}`" for name in failure.fields)
    told = f"- kind `{failure.kind.name}`, HTTP {status_of(failure)}, gRPC {code_of(failure).name}"
    yield told + (f"; fields {fields}" if fields else "")
    if failure.final:
        yield "- final: a retry with the same key sees it again"
    yield f"- cure: {CURES[failure.code]}\n"


def _gate_one(code: str, status: int, said: list[str]) -> Iterator[str]:
    yield f"### {code}\n"
    yield " / ".join(said) + "\n"
    yield f"- status {status}"
    yield f"- cure: {GATE_CURES[code]}\n"
