"""One package for all tests of a process: it is made and imported once."""

from types import ModuleType

import pytest

from modules.counter.contract import Counters
from tests.clients.hands import KINDS, Hand
from tests.clients.make import imported, python_client
from tests.clients.strange import Stranges


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The Python package of an ordinary contract and a strange one."""
    return imported(python_client([Counters, Stranges]), tmp_path_factory.mktemp("client"), "made_client")


@pytest.fixture(params=KINDS)
def hand(request: pytest.FixtureRequest, package: ModuleType) -> Hand:
    """Both ways of calling."""
    return Hand(package, request.param)
