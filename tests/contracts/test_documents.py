"""The documents are what they say they are: judged by the schemas of their own formats, and by what the system really tells."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest

from armature.runtime.contracts.documents import derived
from armature.runtime.contracts.sealed import KEY, edited, sealed_json, sealed_text
from armature.runtime.contracts.sources import promised
from armature.runtime.model import load
from armature.runtime.project import load_project
from armature.testing.app import TestApp
from tests.contracts.reading import LIBRARY, documents_of
from tests.contracts.tools import ROOT, installed

CONTRACTS = ROOT / "contracts"


def document(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CONTRACTS / name).read_text(encoding="utf-8"))
    return found


def test_two_runs_write_the_same_bytes() -> None:
    policies = load(ROOT, topology="single", environment="dev", environ={}).policies
    first, again = (derived(promised(load_project(ROOT), policies), {}) for _ in range(2))
    assert first == again


@pytest.mark.parametrize("name", sorted(path.name for path in (CONTRACTS / "events").iterdir()))
def test_an_events_schema_is_a_schema(name: str) -> None:
    schema = document(f"events/{name}")
    jsonschema_rs.meta.validate(schema)
    jsonschema_rs.Draft202012Validator(schema)
    assert name == f"{schema['title']}.{schema['x-schema']}.json"


async def test_what_is_told_is_what_the_schemas_say() -> None:
    async with TestApp(ROOT) as app:
        made = await app.call("counter.create", name="visits")
        await app.call("counter.increment", counter_id=made.id, by=3)
        await app.call("counter.delete", counter_id=made.id)
        told = [one for one in await app.events() if one.type.startswith("counter.")]
    assert [one.type for one in told] == ["counter.created", "counter.changed", "counter.deleted"]
    for one in told:
        judge = jsonschema_rs.Draft202012Validator(document(f"events/{one.type}.1.json"))
        assert judge.is_valid(one.data)
        assert not judge.is_valid({**one.data, "counter_id": 7})


@pytest.mark.slow
@pytest.mark.parametrize("made", ["committed", "library"])
def test_asyncapi_is_asyncapi(made: str) -> None:
    package = installed("@asyncapi/specs", "6.11.1", "node_modules/@asyncapi/specs/schemas/3.0.0.json")
    schema = json.loads(package.read_text(encoding="utf-8"))
    found = document("asyncapi.json") if made == "committed" else json.loads(documents_of(LIBRARY)["asyncapi.json"])
    judge = jsonschema_rs.Draft7Validator(schema)
    assert [error.message for error in judge.iter_errors(found)] == []
    spoiled = json.loads(json.dumps(found))
    next(iter(spoiled["operations"].values()))["action"] = "shout"
    assert list(judge.iter_errors(spoiled)), "the judge sees nothing"


def test_references_of_asyncapi_lead_somewhere() -> None:
    found = document("asyncapi.json")
    told = list(_references(found))
    assert told
    for reference in told:
        if reference.startswith("#/"):
            at: Any = found
            for word in reference[2:].split("/"):
                at = at[word]
        else:
            assert (CONTRACTS / reference).is_file(), reference


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [one for inner in value.values() for one in _references(inner)]
    return [one for inner in value for one in _references(inner)] if isinstance(value, list) else []


def test_the_catalogue_names_every_operation_event_and_listener() -> None:
    policies = load(ROOT, topology="single", environment="dev", environ={}).policies
    found = promised(load_project(ROOT), policies)
    page = (CONTRACTS / "catalogue.md").read_text(encoding="utf-8")
    for operation in found.operations():
        assert f"### {operation.full_name}\n" in page
    for name, listeners in found.listeners.items():
        assert f"### {name}\n" in page
        assert all(f"{one.kind} `{one.name}`" in page for one in listeners)
    assert "projection `counter.totals`" in page and "feed `counter.events`" in page


@pytest.mark.parametrize("path", sorted(path for path in CONTRACTS.rglob("*") if path.is_file()), ids=lambda path: path.name)
def test_every_committed_document_is_as_it_was_written(path: Path) -> None:
    if path.name not in ("sql.json", "breaks.md"):
        assert not edited(path.name, path.read_bytes())


def test_a_seal_notices_what_matters_and_nothing_else() -> None:
    data = sealed_json({"a": 1, "b": [1, 2]})
    assert KEY in msgspec.json.decode(data)
    assert not edited("x.json", data)
    assert not edited("x.json", msgspec.json.format(data, indent=0)), "the layout is nobody's promise"
    for old, new in ((b'"a": 1', b'"a": 2'), (b"1,", b"3,"), (KEY.encode(), b"x")):
        assert old in data and edited("x.json", data.replace(old, new))
    for broken in (b"", b"{", b"[]", b"7", b"\xff"):
        assert edited("x.json", broken)
    for comment in ("//", "<!--"):
        text = sealed_text("one\ntwo\n", comment=comment)
        assert not edited("x.md", text)
        for changed in (text.replace(b"two", b"three"), b"zero\n" + text, b"one\ntwo\n", b"\xff"):
            assert edited("x.md", changed)
