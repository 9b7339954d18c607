"""Every architecture test begins with an honest house."""

from pathlib import Path

import pytest

from tests.arch.house import House


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)
