"""Editors are told the same as the door knows."""

from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator, ValidationError
from msgspec import json

from armature.runtime.schemas import FOLDER, schemas, write_schemas
from tests.model.project import DEV, POLICIES, PRODUCTION, SINGLE

ROOT = Path(__file__).parents[2]
FILES = {POLICIES: "policies", SINGLE: "topology", DEV: "environment", PRODUCTION: "environment"}


def test_the_committed_schemas_are_the_derived_ones() -> None:
    committed = {file.name: file.read_text(encoding="utf-8") for file in (ROOT / FOLDER).iterdir()}
    assert committed == schemas(), "write them anew: write_schemas(root)"


def test_schemas_are_written_once_and_then_left_alone(tmp_path: Path) -> None:
    assert len(write_schemas(tmp_path)) == len(schemas())
    assert write_schemas(tmp_path) == []
    (tmp_path / FOLDER / "topology.json").write_text("{}")
    assert write_schemas(tmp_path) == [tmp_path / FOLDER / "topology.json"]


@pytest.mark.parametrize(("file", "schema"), FILES.items())
def test_a_shipped_file_names_its_schema_and_satisfies_it(file: str, schema: str) -> None:
    path = ROOT / file
    first = path.read_text(encoding="utf-8").splitlines()[0]
    named = (path.parent / first.partition("$schema=")[2]).resolve()
    assert named == ROOT / FOLDER / f"{schema}.json"
    Draft202012Validator(json.decode(named.read_bytes())).validate(yaml.safe_load(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ("policies", {"http": {"prot": 1}}),
        ("policies", {"http": {"port": 70_000}}),
        ("topology", {"processes": {"app": {"roles": ["projektor"]}}}),
        ("environment", {"secrets": {"keys.cursor": "hunter2"}}),
        ("environment", {"policies": {"htpp": {}}}),
    ],
)
def test_a_schema_refuses_what_the_door_refuses(schema: str, value: object) -> None:
    with pytest.raises(ValidationError):
        Draft202012Validator(json.decode(schemas()[f"{schema}.json"])).validate(value)


@pytest.mark.parametrize("schema", schemas())
def test_every_key_says_what_it_means(schema: str) -> None:
    parts = json.decode(schemas()[schema])["$defs"]
    sections = parts["Policies"]["properties"] if "Policies" in parts else {}
    keys = {f"{part}.{key}": entry for part, shape in parts.items() for key, entry in shape["properties"].items()}
    dumb = {key for key, entry in keys.items() if "description" not in entry}
    # A section's meaning is its name; roles is a key of its own.
    assert dumb <= {f"Policies.{name}" for name in sections} - {"Policies.roles"}
