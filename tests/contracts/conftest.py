"""A small honest project whose promise can be written, broken and compared by the command line."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from armature.cli.main import main
from tests.arch.house import House, fresh

Armature = Callable[..., Result]


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture
def armature(house: House, monkeypatch: pytest.MonkeyPatch) -> Armature:
    """Run a command in the house, as somebody would who edits its files in between."""
    monkeypatch.chdir(house.root)

    def run(*words: str) -> Result:
        with fresh(house.root):
            return CliRunner().invoke(main, words)

    return run
