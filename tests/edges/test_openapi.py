"""The derived document: valid for others, true to the operations, and guarded against drift."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from openapi_spec_validator import validate

from armature.edges.http.openapi import openapi
from armature.engine.policies import HttpPolicy, LimitPolicy, Policies
from armature.kernel.operation import feeds, operations
from armature.runtime.contracts.folder import drift, write
from armature.runtime.model import load
from armature.runtime.project import Project, load_project
from modules.counter.contract import Counters
from tests.edges.conftest import ROOT, Open


@pytest.fixture
def document() -> dict[str, Any]:
    return openapi([Counters], Policies())


def parameters(operation: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in operation["parameters"]}


def test_an_outside_validator_accepts_it(document: dict[str, Any]) -> None:
    validate(document)
    validate(openapi([], Policies()))


def test_every_operation_is_in_it_under_the_policys_prefix() -> None:
    found = openapi([Counters], Policies(http=HttpPolicy(prefix="/api/v{version}")))["paths"]
    listed = {(verb.upper(), path): one["operationId"] for path, verbs in found.items() for verb, one in verbs.items()}
    assert listed == {(one.method, "/api/v1" + one.path): one.full_name for one in (*operations(Counters), *feeds(Counters))}


def test_arguments_are_cut_into_path_query_and_body(document: dict[str, Any]) -> None:
    listing = parameters(document["paths"]["/v1/counters"]["get"])
    assert listing["limit"] == {
        "name": "limit",
        "in": "query",
        "schema": {"type": "integer", "format": "int64", "minimum": 1, "maximum": 200, "default": 30},
    }
    assert listing["cursor"]["schema"] == {"type": "string"}, "a query string has no null"
    increment = document["paths"]["/v1/counters/{counter_id}/increment"]["post"]
    assert parameters(increment)["counter_id"]["required"] is True
    assert list(document["components"]["schemas"]["CounterIncrementBody"]["properties"]) == ["by"]


def test_a_patch_shows_what_may_be_null_and_what_may_be_absent(document: dict[str, Any]) -> None:
    body = document["components"]["schemas"]["CounterEditBody"]
    assert body["required"] == []
    assert body["properties"]["note"]["anyOf"][1] == {"type": "null"}
    assert body["properties"]["name"]["type"] == "string"


def test_problems_are_listed_by_code_and_only_where_they_occur(document: dict[str, Any]) -> None:
    reset = document["paths"]["/v1/counters/{counter_id}/reset"]["post"]["responses"]
    assert reset["429"]["description"] == "`limit:exceeded`"
    assert "Retry-After" in reset["429"]["headers"]
    get = document["paths"]["/v1/counters/{counter_id}"]["get"]["responses"]
    assert {"200", "304", "400", "401", "403", "404", "422", "503", "504"} == set(get)
    insufficient = document["components"]["schemas"]["counter.insufficient"]
    assert insufficient["properties"]["status"] == {"const": 409}
    assert insufficient["required"] == ["counter_id", "value"]


def test_a_limit_of_the_policies_shows_as_one_of_the_contract() -> None:
    found = openapi([Counters], Policies(limits=LimitPolicy(operations={"counter.get": "5/minute"})))
    get = found["paths"]["/v1/counters/{counter_id}"]["get"]
    assert get["x-limit"] == "5/minute"
    assert "429" in get["responses"]


def test_the_headers_of_development_stay_in_development() -> None:
    http = structs.replace(HttpPolicy(), development_identity=False)
    dev, prod = (openapi([Counters], Policies(http=one))["paths"]["/v1/counters"]["post"] for one in (HttpPolicy(), http))
    assert "X-Actor" in parameters(dev)
    assert "X-Actor" not in parameters(prod)
    assert (dev["security"], prod["security"]) == ([{}, {"actor": []}], [{"bearer": []}])


def test_what_was_made_links_to_what_can_be_done_with_it(document: dict[str, Any]) -> None:
    links = document["paths"]["/v1/counters"]["post"]["responses"]["201"]["links"]
    assert links["delete"] == {"operationId": "counter.delete", "parameters": {"counter_id": "$response.body#/id"}}
    assert "totals" not in links, "a literal segment is no place for an id"


async def test_the_running_system_serves_it(site: Open) -> None:
    async with site() as found:
        served = (await found.client.get("/openapi.json")).json()
        core = found.system.core
        contracts = [contract for module in load_project(ROOT).modules for contract in module.contracts]
        assert served == openapi(contracts, core.model.policies)


def copied(tmp_path: Path) -> Project:
    """The project, with its written contracts in a folder that may be spoiled."""
    shutil.copytree(ROOT / "contracts", tmp_path / "contracts")
    return structs.replace(load_project(ROOT), root=tmp_path)


def policies() -> Policies:
    return load(ROOT, topology="single", environment="dev", environ={}).policies


def test_the_committed_contract_is_what_the_code_says() -> None:
    assert [str(one) for one in drift(load_project(ROOT), policies())] == []


def test_a_spoiled_contract_is_named_place_by_place(tmp_path: Path) -> None:
    project = copied(tmp_path)
    file = tmp_path / "contracts" / "openapi.json"
    file.write_text(file.read_text().replace('"maximum": 1000000', '"maximum": 1000', 1))
    (found,) = drift(project, policies())
    assert len(found.changes) == 1
    assert found.changes[0].endswith("by.maximum: 1000 in the file, 1000000 in the code")
    assert "armature contracts" in str(found)
    assert write(project, policies()) == [file]
    assert drift(project, policies()) == []
    assert write(project, policies()) == [], "a second call has nothing to do"


@pytest.mark.parametrize(("text", "told"), [(b"", "missing"), (b"{", "not JSON"), (b'{"openapi":1}', "openapi: 1 in the file")])
def test_a_file_that_is_none_is_told_in_words(tmp_path: Path, text: bytes, told: str) -> None:
    project = copied(tmp_path)
    (tmp_path / "contracts" / "openapi.json").write_bytes(text)
    assert told in str(drift(project, policies())[0])
