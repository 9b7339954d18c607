"""The projects of the guides are projects: their tests pass, and `armature check` finds nothing in them."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from armature.testing import RunningServer
from tests.docs.guide import GUIDES, PAGES_OF, files_of, write_project
from tests.docs.pages import ROOT

_RUN = "from armature.cli.main import main; main()"
_RULES = [
    "boundaries",
    "outside",
    "graph",
    "files",
    "contracts",
    "refusals",
    "events",
    "types",
    "ownership",
    "sql",
    "executors",
    "topology",
]
_SECONDS_MAX = 120


@pytest.fixture
def project(tmp_path: Path) -> Path:
    made = run(tmp_path, "-c", _RUN, "new", "project", "shop")
    assert made.returncode == 0, made.stderr
    return tmp_path / "shop"


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], cwd=folder, text=True, capture_output=True, timeout=_SECONDS_MAX, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("guide", PAGES_OF)
def test_what_a_guide_shows_runs_and_breaks_no_rule(guide: str, project: Path) -> None:
    tests = write_project(guide, project)
    done = run(project, "-m", "pytest", "-p", "no:cacheprovider", *tests)
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-1_000:]
    written = run(project, "-c", _RUN, "contracts")
    assert written.returncode == 0, written.stderr
    checked = run(project, "-c", _RUN, "check", *_RULES)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.slow
def test_the_reader_of_live_events_runs_as_it_stands_there() -> None:
    page = (GUIDES / "live-events.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```python\n(\"\"\".*?)^```", page, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(example, "live-events.md", "exec"), names)
    with RunningServer(ROOT) as server:
        names["test_who_was_away_gets_what_was_missed"](server)


def test_every_guide_with_files_is_tried() -> None:
    assert {page.stem for page in GUIDES.glob("*.md") if files_of(page.stem)} == {
        page for pages in PAGES_OF.values() for page in pages
    }
