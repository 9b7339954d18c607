"""What a command cannot do is said in one line that names the place and the cure, and its exit code is no success."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from armature.cli.main import main
from tests.model.project import project

ROOT = Path(__file__).parents[2]
FLEET = "platform/environments/fleet.yaml"


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for name in [name for name in os.environ if name.startswith("ARMATURE_")]:
        monkeypatch.delenv(name)


def run(*words: str) -> Result:
    return CliRunner().invoke(main, words)


def refused(*words: str) -> str:
    """The one line of a refusal."""
    result = run(*words)
    assert isinstance(result.exception, SystemExit), result.exc_info
    assert result.exit_code == 2, result.output
    (line,) = result.output.splitlines()
    return line


@pytest.mark.parametrize("words", [("check",), ("prove",), ("run",), ("plan",), ("doctor",)])
def test_a_folder_without_a_project_is_no_project_in_good_order(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert f"armature {words[0]}: {tmp_path}: neither it nor a folder above it has modules/" in refused(*words)
    assert list(tmp_path.iterdir()) == []


def test_a_project_without_operations_has_nothing_to_prove(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project(tmp_path) / "modules").mkdir()
    monkeypatch.chdir(tmp_path)
    assert refused("prove").startswith("armature prove: no module has an operation to play")


@pytest.mark.usefixtures("here")
def test_a_place_that_cannot_be_written_is_named_with_a_cure(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    (tmp_path / "armature.db").touch()
    said = refused("backup", str(file / "b"), "--data", str(tmp_path))
    assert said == f"armature backup: {file / 'b'}: Not a directory; name another place, or mend that one"
    # Before a minute of playing, and not after it.
    said = refused("prove", "--topology", "nope", "--record", str(file / "trace"))
    assert said == f"armature prove: {file / 'trace'}: Not a directory; name another place, or mend that one"


@pytest.mark.usefixtures("here")
def test_addresses_that_nobody_set_are_said_once_before_any_process_is_started() -> None:
    result = run("run", "--topology", "fleet")
    assert result.exit_code == 2
    assert sorted(line.removeprefix("armature run: ").partition(";")[0] for line in result.output.splitlines()) == [
        f"{FLEET}: {port}.url: the variable ARMATURE_{server}_URL is not set"
        for port, server in (
            ("bus", "NATS"),
            ("cache", "REDIS"),
            ("database", "POSTGRES"),
            ("limiter", "REDIS"),
            ("signal", "NATS"),
        )
    ]


def test_the_doctor_names_what_a_start_refuses_of_the_topology(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project(tmp_path, single="processes: {app: {modules: [nope], roles: [http]}}") / "modules").mkdir()
    monkeypatch.chdir(tmp_path)
    said = run("doctor", "--port", "0", "--json")
    assert said.exit_code == 1
    (wrong,) = [one for one in json.loads(said.output) if one["status"] == "error"]
    assert (wrong["about"], "there is no module 'nope'" in wrong["text"]) == ("topology", True)


@pytest.mark.usefixtures("here")
def test_names_are_data_for_a_script_too() -> None:
    names = json.loads(run("plan", "--names", "--json").output)
    assert names["broker stream"] == f"{ROOT.name}_v1_events"
