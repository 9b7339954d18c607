"""A made Python package as its users meet it: installed, strictly typed, and refusing at their desk what the server would."""

import sys
from pathlib import Path

import pytest

from armature.clients.output import write
from armature.runtime.project import load_project
from modules.counter.contract import Counters
from tests.clients.make import ROOT, python_client, run
from tests.clients.strange import Stranges

pytestmark = pytest.mark.slow

STORY = """
import asyncio
from uuid import UUID

from made_client import AsyncClient, Call, Client, Options, Page
from made_client.class_v2 import Circle, Square, Wish
from made_client.counter import Counter, CounterChanged, CounterNotFound, Insufficient


def blocking(counter_id: UUID) -> int:
    with Client("http://localhost", Options(token="t")) as client:
        try:
            counter: Counter = client.counter.increment(counter_id=counter_id, by=2, if_match=1, call=Call(key="k"))
        except Insufficient as refused:
            return refused.value
        except CounterNotFound as refused:
            return refused.counter_id.int
        changed: Counter | None = client.counter.get_if_changed(counter_id=counter_id, if_none_match=counter.version)
        page: Page[Counter] = client.counter.list(sort="name", page=0)
        for one in client.counter.list_each(limit=3):
            print(one.note.upper() if one.note else one.value)
        either: Circle | Square | None = client.class_v2.list_each()
        return len(page.items) + (changed.value if changed else 0) + (0 if either is None else 1)


async def waiting(counter_id: UUID) -> None:
    async with AsyncClient("http://localhost") as client:
        await client.counter.edit(counter_id=counter_id, note=None)
        async for happened in client.counter.events(counter_id=counter_id):
            if isinstance(happened.event, CounterChanged):
                print(happened.event.delta + 1, happened.id)
        async for page in client.counter.list_pages(size=3, order="desc"):
            print([one.id.hex for one in page.items], page.total)


asyncio.run(waiting(UUID(int=blocking(UUID(int=1)))))
print(Wish(text="a").times)
"""

BREAKS = {
    "a field": ("refused.value", "refused.valeu", '"Insufficient" has no attribute "valeu"'),
    "an argument's type": ("by=2", 'by="2"', 'has incompatible type "str"; expected "int | UnsetType"'),
    "an argument's name": ("limit=3", "most=3", 'Unexpected keyword argument "most"'),
    "a forgotten argument": ("edit(counter_id=counter_id, ", "edit(", 'Missing named argument "counter_id"'),
    "a word that is none of the list": ('sort="name"', 'sort="nmae"', "has incompatible type"),
    "a forgotten None": ("(changed.value if changed else 0)", "changed.value", '"None" of "Counter | None" has no attribute'),
    "a version where none is": ('call=Call(key="k")', "if_none_match=1", 'Unexpected keyword argument "if_none_match"'),
    "an event's field": ("happened.event.delta", "happened.event.dleta", 'has no attribute "dleta"'),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package on disk."""
    made = tmp_path_factory.mktemp("package")
    write(python_client([Counters, Stranges]), made)
    return made


def _mypy(folder: Path, story: str) -> tuple[int, str]:
    (folder / "story.py").write_text(story)
    words = ["--strict", "--no-error-summary", "--cache-dir", str(folder / "cache"), "src", "story.py"]
    return run([sys.executable, "-m", "mypy", *words], folder, MYPYPATH=str(folder / "src"))


def test_the_package_and_its_use_are_strictly_typed(folder: Path) -> None:
    assert _mypy(folder, STORY) == (0, "")


@pytest.mark.parametrize("name", BREAKS)
def test_a_break_is_found_before_it_runs(folder: Path, name: str) -> None:
    right, wrong, said = BREAKS[name]
    assert STORY.count(right) >= 1
    code, told = _mypy(folder, STORY.replace(right, wrong))
    assert code == 1 and said in told, told


def test_a_field_that_left_the_contract_is_found_in_its_users(folder: Path, tmp_path: Path) -> None:
    """The same story against the client of a server that calls the field otherwise."""
    package = python_client([Counters, Stranges])
    file = "src/made_client/counter.py"
    write(package, tmp_path)
    (tmp_path / file).write_text(package.files[file].replace("    delta: int\n", "    moved: int\n"))
    code, told = _mypy(tmp_path, STORY)
    assert code == 1 and '"CounterChanged" has no attribute "delta"' in told


def test_the_linter_finds_nothing(folder: Path) -> None:
    assert run([sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format", "concise", "src"], folder) == (
        0,
        "All checks passed!\n",
    )


def test_it_installs_and_imports_without_armature(folder: Path, tmp_path: Path) -> None:
    words = ["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--target", str(tmp_path), "."]
    code, said = run([sys.executable, "-m", "pip", *words], folder)
    assert code == 0, said
    asked = "import sys, made_client; print(made_client.CONTRACTS, [one for one in sys.modules if one.startswith('armature')])"
    code, said = run([sys.executable, "-c", asked], tmp_path, PYTHONPATH=str(tmp_path))
    assert (code, said) == (0, "{'class_v2': 2, 'counter': 1} []\n")
    assert (tmp_path / "made_client" / "py.typed").exists()


def test_the_projects_own_contracts_make_a_typed_package(tmp_path: Path) -> None:
    modules = load_project(ROOT).modules
    write(python_client([one for module in modules for one in module.contracts]), tmp_path)
    assert _mypy(tmp_path, "import made_client\n") == (0, "")
