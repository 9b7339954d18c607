"""A process holds one project: a module of another that goes by the same name is never taken for it."""

import shutil
from pathlib import Path

import pytest

from armature.runtime.problems import ModelError
from armature.runtime.project import load_project

SHELVES = Path(__file__).parents[1] / "live" / "shelf"


def test_a_module_of_another_project_by_the_same_name_is_refused(tmp_path: Path) -> None:
    (first,) = load_project(SHELVES).modules
    other = tmp_path / "modules" / "shelf"
    shutil.copytree(first.folder, other)
    (alike,) = load_project(tmp_path).modules  # a copy says the same
    assert alike.contracts == first.contracts
    contract = other / "contract.py"
    contract.write_text(contract.read_text() + "\n# another\n")
    with pytest.raises(ModelError) as told:
        load_project(tmp_path)
    (problem,) = told.value.problems
    assert str(problem).startswith("modules/shelf/module.yaml") and str(first.folder / "contract.py") in str(problem)
    assert "one project in a process" in problem.cure
