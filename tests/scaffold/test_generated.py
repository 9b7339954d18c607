"""What `armature new` makes is a project: it starts, serves, keeps every rule, and its first test fails for the stated reason."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from armature.testing import RunningServer

ARMATURE = (sys.executable, "-c", "from armature.cli.main import main; main()")
TABLE = "title:text done:boolean amount:bigint due:timestamptz? tags:jsonb"
# The longest names that are allowed, and every column word: lines grow with names, and a formatter would fold them.
LONG_NAME = "abcdefghij_klmnopqrstuv"
LONG_TABLE = " ".join(
    (f"{'a' * 22}:text?", f"{'b' * 22}:double", f"{'c' * 22}:uuid", f"{'d' * 22}:timestamptz", f"{'e' * 22}:bigint?")
)

pytestmark = pytest.mark.slow


def run(command: Sequence[str], cwd: Path, *, fails: bool = False) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)
    said = done.stdout + done.stderr
    assert (done.returncode != 0) == fails, said
    return said


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scaffold")
    run([*ARMATURE, "new", "project", "shop"], folder)
    made = folder / "shop"
    run([*ARMATURE, "new", "module", "note", "--table", TABLE], made)
    run([*ARMATURE, "new", "module", LONG_NAME, "--table", LONG_TABLE], made)
    said = run([*ARMATURE, "new", "module", "person"], made)
    assert "run `armature contracts`: the project promises more than contracts/ says" in said
    run([*ARMATURE, "contracts"], made)
    return made


@pytest.mark.parametrize(
    "command",
    [
        [sys.executable, "-m", "ruff", "format", "--check", "."],
        [sys.executable, "-m", "ruff", "check", "."],
        [sys.executable, "-m", "mypy"],
        [*ARMATURE, "check"],
        [*ARMATURE, "plan"],
    ],
    ids=["format", "lint", "types", "rules", "plan"],
)
def test_it_keeps_every_rule(shop: Path, command: list[str]) -> None:
    run(command, shop)


def test_its_makefile_runs_the_same(shop: Path, tmp_path: Path) -> None:
    shop = shutil.copytree(shop, tmp_path / "shop")
    for first in shop.glob("modules/*/tests/*_first.py"):
        first.unlink()
    venv = tmp_path / "venv"
    venv.mkdir()
    (venv / ".done").touch()  # set up already, with the interpreter that runs this test
    bin = Path(sys.executable).parent
    for target in ("check", "test"):
        run(["make", target, f"VENV={venv}", f"BIN={bin}"], shop)


def test_its_own_tests_pass_but_the_first_ones(shop: Path) -> None:
    run([sys.executable, "-m", "pytest", "--ignore-glob=*_first.py"], shop)
    said = run([sys.executable, "-m", "pytest", *map(str, shop.glob("modules/*/tests/*_first.py"))], shop, fails=True)
    assert "3 failed" in said
    assert "An edit that changes nothing is answered with 200" in said


def test_it_serves_a_thing_from_its_beginning_to_its_end(shop: Path) -> None:
    sent = {"title": "milk", "done": False, "amount": 2, "due": "2030-01-01T00:00:00Z", "tags": {"shop": "corner"}}
    with RunningServer(shop) as server:
        made = server.post("/v1/notes", json=sent)
        assert (made.status, made.etag) == (201, '"1"')
        where = made.headers["location"]
        assert server.get(where).json() == {**sent, "id": made.json()["id"], "version": 1}
        edited = server.request("PATCH", where, body=b'{"due":null}', headers={"content-type": "application/json"})
        assert (edited.json()["due"], edited.json()["title"]) == (None, "milk")
        server.kill9()
        server.restart()
        assert server.get(where).body == edited.body
        assert server.get("/v1/notes").json()["items"] == [edited.json()]
        assert server.request("DELETE", where).status == 204
        assert server.get(where).code == "note:not_found"
        assert server.get("/v1/people").json()["items"] == []
        assert server.sigterm() == 0


def test_the_first_test_passes_when_its_words_are_followed(shop: Path, tmp_path: Path) -> None:
    shop = shutil.copytree(shop, tmp_path / "shop")
    module = shop / "modules" / "note"
    said = run([sys.executable, "-m", "pytest", str(module)], shop, fails=True)
    assert "1 failed" in said
    words = [line[1:].strip("\n").removeprefix(" " * 9) for line in said.splitlines() if line.startswith("E ")]
    refusal = _between(words, "class NothingToChange", "and list it above")
    raising = _between(words, "    if after == before:", "assert 200 == 409")

    contract = module / "contract.py"
    text = contract.read_text().replace("\n\nclass Notes(", f"\n\n{refusal}\n\n\nclass Notes(")
    head, edit = text.split('"PATCH /notes/{note_id}"')
    contract.write_text(
        f'{head}"PATCH /notes/{{note_id}}"' + edit.replace("[NoteNotFound]", "[NoteNotFound, NothingToChange]", 1)
    )
    domain = module / "domain.py"
    text = domain.read_text().replace("    NoteEdited,\n", "    NoteEdited,\n    NothingToChange,\n")
    domain.write_text(text.replace("    after = structs.replace(after", f"{raising}\n    after = structs.replace(after"))

    run([sys.executable, "-m", "pytest", str(module)], shop)
    run([*ARMATURE, "contracts"], shop)
    run([*ARMATURE, "check"], shop)
    run([sys.executable, "-m", "ruff", "check", "."], shop)


def _between(lines: list[str], first: str, after: str) -> str:
    start = next(at for at, line in enumerate(lines) if line.startswith(first))
    end = next(at for at, line in enumerate(lines) if at > start and line.strip().startswith(after))
    return "\n".join(lines[start:end]).rstrip()


def test_a_project_without_a_module_keeps_every_rule_and_its_schemas_are_written_anew(tmp_path: Path) -> None:
    run([*ARMATURE, "new", "project", "shop"], tmp_path)
    shop = tmp_path / "shop"
    run([*ARMATURE, "check"], shop)
    (shop / "platform/schemas/policies.json").write_text("{}")
    assert "run `armature contracts`" in run([*ARMATURE, "check", "model"], shop, fails=True)
    run([*ARMATURE, "contracts"], shop)
    run([*ARMATURE, "check", "model"], shop)
    with RunningServer(shop) as server:
        assert server.get("/readyz").status == 200
