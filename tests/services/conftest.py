"""One street for all tests: starting three services costs more than a test."""

from collections.abc import Iterator

import pytest

from tests.services.street import Street


@pytest.fixture(scope="session")
def street() -> Iterator[Street]:
    """All services, ready; a test that stops one starts it again."""
    with Street() as opened:
        yield opened
