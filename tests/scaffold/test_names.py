"""What cannot be made is refused in words that say what to type instead, and nothing is left behind."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from armature.cli.main import main
from armature.cli.naming import module_names
from armature.cli.roles import add_roles
from armature.runtime.model import load


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "modules").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(*words: str) -> str:
    result = CliRunner().invoke(main, ["new", *words])
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    return result.output


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("notes", "armature new module note"),
        ("categories", "armature new module category"),
        ("boxes", "armature new module box"),
        ("people", "armature new module person"),
        ("line_items", "armature new module line_item"),
        ("LineItem", "line_item"),
        ("line-item", "line_item"),
        ("../evil", "evil"),
        ("1st", "st"),
        ("", "note"),
        ("class", "class_entry"),
        ("match", "match_entry"),
        ("armature", "armature_entry"),
        ("event", "event_entry"),
        ("x", "at least two letters"),
        ("a" * 25, "at most 24"),
    ],
)
def test_a_bad_name_comes_back_with_a_better_one(project: Path, name: str, cure: str) -> None:
    assert cure in refused("module", "--", name)
    assert not list((project / "modules").iterdir())


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("name", "'name' is not name:type"),
        ("name:", "'name:' is not name:type"),
        ("name:string", "known are: uuid, text, bigint"),
        ("Name:text", "small letters"),
        ("order:bigint", "a word of SQL; choose another name, as order_given"),
        ("lambda:text", "a word of Python"),
        ("id:uuid", "is there already"),
        ("version:bigint", "is there already"),
        ("tenant_id:text", "is there already"),
        ("note_id:uuid", "is there already"),
        ("name:text name:text", "twice"),
        (" ", "names no column"),
        ("aa:text bb:text cc:text dd:text ee:text ff:text", "at most 5"),
        ("a" * 23 + ":text", "at most 22"),
    ],
)
def test_a_bad_column_is_named(project: Path, table: str, words: str) -> None:
    assert words in refused("module", "note", "--table", table)
    assert not list((project / "modules").iterdir())


def test_what_exists_is_not_overwritten(project: Path) -> None:
    kept = project / "modules" / "note" / "mine.txt"
    kept.parent.mkdir()
    kept.write_text("mine")
    assert "exists already" in refused("module", "note")
    assert [path.name for path in kept.parent.iterdir()] == ["mine.txt"]
    assert "exists already" in refused("project", "modules")


def test_a_new_project_may_play_both_edges_in_production(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(main, ["new", "project", "shop"]).exit_code == 0
    (tmp_path / "shop/platform/topologies/both.yaml").write_text("processes: {app: {roles: [http, grpc]}}")
    assert load(tmp_path / "shop", topology="both", environment="production", environ={}).policies.http.admin_port == 9190


def test_a_module_needs_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "armature new project NAME" in refused("module", "note")


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("note", "notes"),
        ("category", "categories"),
        ("box", "boxes"),
        ("person", "people"),
        ("day", "days"),
        ("status", "statuses"),
    ],
)
def test_many_are_called_as_english_has_it(one: str, many: str) -> None:
    assert module_names(one, None).items == many


def test_a_word_that_only_looks_like_many_can_be_one() -> None:
    assert module_names("chess", None).items == "chesses"
    assert module_names("lens", "lenses").items == "lenses"
    assert module_names("sheep", "flock").items == "flock"


def test_roles_are_added_without_touching_a_comment(tmp_path: Path) -> None:
    policies = tmp_path / "policies.yaml"
    policies.write_text(
        "# top\nroles:  # who may what\n    # inside\n    a.reader: [a:read]\n\n# after\nhttp:\n    prefix: /v1\n"
    )
    assert add_roles(policies, "note")
    assert add_roles(policies, "note"), "the second time nothing is added"
    assert policies.read_text() == (
        "# top\nroles:  # who may what\n    # inside\n    a.reader: [a:read]\n"
        "    note.reader: [note:read]\n    note.writer: [note:read, note:write]\n\n# after\nhttp:\n    prefix: /v1\n"
    )


def test_the_first_roles_take_the_place_of_none(tmp_path: Path) -> None:
    policies = tmp_path / "policies.yaml"
    policies.write_text("# who\nroles: {}  # none yet\n")
    assert add_roles(policies, "note")
    assert (
        policies.read_text() == "# who\nroles:  # none yet\n  note.reader: [note:read]\n  note.writer: [note:read, note:write]\n"
    )


def test_roles_that_stand_in_another_form_are_left_to_their_owner(project: Path) -> None:
    (project / "platform").mkdir()
    policies = project / "platform" / "policies.yaml"
    policies.write_text("roles: {a.reader: [a:read]}\n")
    result = CliRunner().invoke(main, ["new", "module", "note"])
    assert result.exit_code == 0, result.output
    assert "add to platform/policies.yaml, below `roles:`" in result.output
    assert policies.read_text() == "roles: {a.reader: [a:read]}\n"
