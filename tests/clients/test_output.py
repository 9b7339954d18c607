"""Packages on disk: written whole, compared whole, and never over what somebody else wrote."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from armature.cli.main import main
from armature.clients.output import LIST, Strange, drift, write
from modules.counter.contract import Counters
from tests.clients.make import python_client, typescript_client
from tests.clients.strange import Stranges


def test_a_second_writing_changes_nothing(tmp_path: Path) -> None:
    package = python_client([Counters])
    assert len(write(package, tmp_path)) == len(package.files) + 1
    assert (write(package, tmp_path), drift(package, tmp_path)) == ([], [])


def test_every_kind_of_drift_is_told(tmp_path: Path) -> None:
    write(python_client([Counters, Stranges]), tmp_path)
    (tmp_path / "README.md").write_text("mine now")
    (tmp_path / "src/made_client/py.typed").unlink()
    found = drift(python_client([Counters]), tmp_path)
    assert found[0] == "src/made_client/class_v2.py: no longer asked for by the contracts"
    assert "README.md: differs" in found and "src/made_client/py.typed: missing" in found


def test_what_is_no_longer_asked_for_goes_away_and_what_is_somebodys_stays(tmp_path: Path) -> None:
    write(python_client([Counters, Stranges]), tmp_path)
    (tmp_path / "src/made_client/mine.py").write_text("")
    write(python_client([Counters]), tmp_path)
    assert not (tmp_path / "src/made_client/class_v2.py").exists() and (tmp_path / "src/made_client/mine.py").exists()
    assert drift(python_client([Counters]), tmp_path) == []


def test_a_file_of_somebody_else_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(Strange, match=r"README\.md exists and was not made by this command; name an empty folder"):
        write(python_client([Counters]), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]


def test_a_list_that_names_files_outside_the_folder_deletes_none_of_them(tmp_path: Path) -> None:
    folder, outside = tmp_path / "client", tmp_path / "outside"
    outside.write_text("precious")
    folder.mkdir()
    (folder / LIST).write_text('{"made_by": "armature client python", "files": {"../outside": "0"}}')
    write(python_client([Counters]), folder)
    assert outside.read_text() == "precious"


def test_a_list_that_cannot_be_read_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / LIST).write_text("[")
    with pytest.raises(Strange, match="remove the folder and make the client anew"):
        write(python_client([Counters]), tmp_path)


def test_a_client_of_another_language_is_not_taken_away(tmp_path: Path) -> None:
    write(python_client([Counters]), tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(Strange, match="was made by `armature client python`; name another folder"):
        write(typescript_client([Counters]), tmp_path)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("language", ["python", "typescript"])
@pytest.mark.parametrize("place", ["file", "file/below", "nowhere", "folder"])
def test_a_place_that_cannot_be_written_is_told_in_words(tmp_path: Path, language: str, place: str) -> None:
    (tmp_path / "file").write_text("somebody's")
    (tmp_path / "nowhere").symlink_to(tmp_path / "there is nothing")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "src").write_text("somebody's")
    told = CliRunner().invoke(main, ["client", language, "--out", str(tmp_path / place)])
    assert told.exit_code == 2 and f"armature client: {tmp_path / place}" in told.output
    assert "name another place" in told.output


@pytest.mark.parametrize("language", ["python", "typescript"])
def test_the_command_writes_and_checks(tmp_path: Path, language: str) -> None:
    words = ["client", language, "--out", str(tmp_path / "out"), "--module", "counter"]
    assert CliRunner().invoke(main, [*words, "--check"]).exit_code == 1
    assert CliRunner().invoke(main, words).exit_code == 0
    assert CliRunner().invoke(main, [*words, "--check"]).exit_code == 0
    with (tmp_path / "out" / "README.md").open("a") as page:
        page.write("a hand's edit")
    told = CliRunner().invoke(main, [*words, "--check"])
    assert told.exit_code == 1 and "README.md: differs" in told.output and "without --check" in told.output


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["python", "--name", "no-name"], "'no-name' cannot be imported"),
        (["python", "--name", "import"], "'import' cannot be imported"),
        (["python", "--name", "msgspec"], "'msgspec' would hide a package of that name"),
        (["python", "--name", "json"], "'json' would hide a package of that name"),
        (["python", "--release", "new"], "'new' is no version; use three numbers"),
        (["python", "--module", "nobody"], "there is no module 'nobody'; this project has counter"),
        (["typescript", "--name", "No Name"], "'No Name' is no name of a package"),
    ],
)
def test_the_command_refuses_in_words(tmp_path: Path, words: list[str], text: str) -> None:
    told = CliRunner().invoke(main, ["client", *words, "--out", str(tmp_path / "out")])
    assert told.exit_code == 2 and text in told.output and "Traceback" not in told.output
    assert not (tmp_path / "out").exists()
