"""Tests here may be coroutines, and `world` is the small project, open, with a probe that remembers nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine import probe
from tests.projections.conftest import pytest_pyfunc_call

__all__ = ["pytest_pyfunc_call"]

WORLD = Path(__file__).parent / "world"


@pytest.fixture(autouse=True)
def quiet_probe() -> Iterator[None]:
    """Forget what an earlier test saw."""
    probe.runs.clear()
    probe.gates.clear()
    yield
    probe.gates.clear()
