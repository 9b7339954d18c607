"""All documents of a system, by name: derived from the code, and judged against those that were promised before."""

import re
from collections.abc import Mapping

import msgspec

from armature.edges.grpc.schema import proto_file
from armature.edges.grpc.schema_text import pins, render
from armature.edges.http.openapi import openapi
from armature.runtime.contracts.catalogue import catalogue
from armature.runtime.contracts.event_documents import asyncapi, event_schema
from armature.runtime.contracts.judge import Break, broken_contract, broken_event, gone
from armature.runtime.contracts.promise import promise
from armature.runtime.contracts.sealed import edited, sealed_json, sealed_text
from armature.runtime.contracts.sources import Promised
from armature.runtime.contracts.wire import broken_wire

__all__ = ["Documents", "derived", "judged", "kept", "newest_schemas"]

Documents = Mapping[str, bytes]

_PACKAGE = re.compile(r"([^/]+)\.v(\d+)\.json")
_EVENT = re.compile(r"events/([^/]+)\.(\d+)\.json")


def derived(promised: Promised, before: Documents) -> dict[str, bytes]:
    """Return what the code says; of what was promised before it takes the numbers of the fields of messages."""
    protos = [
        proto_file(contracts, pins(before.get(f"{package}.proto", b"").decode(errors="replace")))
        for package, contracts in promised.packages.items()
    ]
    made = {
        "openapi.json": sealed_json(openapi(promised.contracts, promised.policies)),
        "asyncapi.json": sealed_json(asyncapi(promised)),
        "catalogue.md": sealed_text(catalogue(promised, protos), comment="<!--"),
    }
    made |= {f"{package}.json": sealed_json(promise(package, promised)) for package in promised.packages}
    made |= {f"{file.package}.proto": sealed_text(render(file), comment="//") for file in protos}
    return made | {
        f"events/{event.name}.{event.schema}.json": sealed_json(event_schema(event)) for event in promised.events.values()
    }


def judged(before: Documents, after: Documents) -> list[Break]:
    """Return what breaks those who rely on the earlier documents. One that was edited by hand says nothing; `drift` names it."""
    before = {name: data for name, data in before.items() if not edited(name, data)}
    found: list[Break] = []
    for name in before:
        if (package := _PACKAGE.fullmatch(name)) is not None:
            if name in after:
                found += broken_contract(name, _data(before, name), _data(after, name))
                found += _wire(name.removesuffix("json") + "proto", before, after)
            elif not kept(name, after):
                found.append(gone(name, f"the contract {package[1]}.v{package[2]}"))
    now = newest_schemas(after)
    for event, schema in newest_schemas(before).items():
        name = f"events/{event}.{schema}.json"
        if event in now:
            found += broken_event(name, _data(before, name), _data(after, f"events/{event}.{now[event]}.json"))
        else:
            found.append(gone(name, f"the event {event}"))
    return found


def kept(name: str, after: Documents) -> bool:
    """Whether a document that the code no longer makes stays: of an older contract version, or of an older event schema."""
    if (event := _EVENT.fullmatch(name)) is not None:
        return newest_schemas(after).get(event[1], 0) > int(event[2])
    package = _PACKAGE.fullmatch(name.replace(".proto", ".json"))
    versions = [int(one[2]) for one in map(_PACKAGE.fullmatch, after) if one and package and one[1] == package[1]]
    return package is not None and max(versions, default=0) > int(package[2])


def newest_schemas(documents: Documents) -> dict[str, int]:
    """Return the newest schema there is a document of, by event."""
    found: dict[str, int] = {}
    for one in map(_EVENT.fullmatch, documents):
        if one is not None:
            found[one[1]] = max(found.get(one[1], 0), int(one[2]))
    return found


def _wire(name: str, before: Documents, after: Documents) -> list[Break]:
    if name not in before or name not in after:
        return []
    return broken_wire(name, before[name].decode(errors="replace"), after[name].decode())


def _data(documents: Documents, name: str) -> dict[str, object]:
    return msgspec.json.decode(documents[name], type=dict[str, object])
