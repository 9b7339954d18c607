"""The catalogue: what a person asks of a system before calling it. Every operation with its route, its gRPC method, who may call
it, how it may refuse and how often it may be called; every event with its data and who listens."""

from collections.abc import Iterator, Sequence
from typing import Any

from armature.edges.grpc.proto import ProtoFile
from armature.edges.http.openapi_problems import takes_key
from armature.edges.http.problem import status_of
from armature.kernel.event import EventType, event_type
from armature.kernel.operation import Operation
from armature.runtime.contracts.event_documents import event_schema
from armature.runtime.contracts.sources import Promised, limit_of

__all__ = ["catalogue"]


def catalogue(promised: Promised, protos: Sequence[ProtoFile]) -> str:
    """Return the page, in Markdown."""
    calls = {
        (file.package, method.operation): f"{file.package}.{service.name}/{method.name}"
        for file in protos
        for service in file.services
        for method in service.methods
    }
    lines = [
        "# Catalogue",
        "",
        "Written by `armature contracts` from the contracts of the modules; change those, and write it again.",
        "",
    ]
    for package, contracts in promised.packages.items():
        lines += [*_package(package, contracts, promised, calls), ""]
    lines += ["## Events", ""]
    for event in promised.events.values():
        lines += [*_event(event, promised), ""]
    if not promised.events:
        lines += ["No module tells anything.", ""]
    return "\n".join(lines)


def _package(package: str, contracts: Sequence[type], promised: Promised, calls: Any) -> Iterator[str]:
    yield f"## {package}"
    yield ""
    for contract in contracts:
        yield _first(contract.__doc__)
        yield ""
    operations = promised.operations(contracts)
    yield "| operation | route | gRPC | permission | limit | key |"
    yield "|---|---|---|---|---|---|"
    for one in operations:
        route = f"{one.method} {promised.policies.http.prefix.format(version=one.version)}{one.path}"
        key = one.declared.idempotency if takes_key(one) else "–"
        limit = limit_of(one, promised.policies) or "–"
        permission = f"`{one.declared.permission}`" if one.declared.permission else "public"
        cells = (f"`{one.full_name}`", f"`{route}`", f"`{calls[package, one.full_name]}`", permission, limit, key)
        yield f"| {' | '.join(cells)} |"
    for one in operations:
        yield from _operation(one)


def _operation(operation: Operation) -> Iterator[str]:
    declared = operation.declared
    yield ""
    yield f"### {operation.full_name}"
    yield ""
    yield operation.doc
    told = [
        *(f"- {rule.text}" for rule in declared.rules),
        *(f"- refuses with `{one.code}` ({status_of(one)}): {_first(one.__doc__)}" for one in declared.refuses),
    ]
    if declared.etag is not None:
        told.append(
            "- answers with an ETag" + (", takes If-Match" if declared.kind == "command" and operation.path_fields else "")
        )
    if declared.cache is not None:
        until = ", ".join(f"`{event_type(one).name}`" for one in declared.cache.until)
        told.append(f"- answers are kept for {declared.cache.seconds:g} s, or until {until}")
    if declared.of:
        told.append("- streams " + ", ".join(f"`{event_type(one).name}`" for one in declared.of))
    if told:
        yield ""
        yield from told


def _event(event: EventType, promised: Promised) -> Iterator[str]:
    schema = event_schema(event)
    yield f"### {event.name}"
    yield ""
    yield str(schema["description"])
    yield ""
    yield f"- schema {event.schema}: [events/{event.name}.{event.schema}.json](events/{event.name}.{event.schema}.json)"
    version = f", its version is `{event.version}`" if event.version else ""
    yield f"- stream `{event.domain}/{{{event.stream}}}`{version}"
    fields = ", ".join(f"`{name}` {_kind(one)}" for name, one in schema["properties"].items())
    yield f"- data: {fields}"
    heard = ", ".join(f"{one.kind} `{one.name}`" for one in promised.listeners[event.name])
    yield f"- heard by: {heard or 'nobody in this system'}"


def _kind(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "enum" in schema:
        return f"({' | '.join(map(str, schema['enum']))})"
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return str(schema.get("format", schema.get("type", "anything")))


def _first(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0]
