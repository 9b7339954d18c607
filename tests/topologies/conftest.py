"""One town for each topology, shared by all stories: opening eight processes costs more than telling a story."""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from armature.testing.prove.stage import Servers
from tests.topologies.place import ALL, build
from tests.topologies.town import Town


@pytest.fixture(scope="session")
def town_servers() -> Iterator[Servers]:
    """The servers of all towns; their databases and the names in their brokers differ."""
    servers = Servers()
    yield servers
    servers.close()


@pytest.fixture(scope="session")
def armature_loop() -> Iterator[asyncio.Runner]:
    """The loop that a town and its stories live in."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="session", params=ALL)
def town(request: pytest.FixtureRequest, armature_loop: asyncio.Runner, town_servers: Servers) -> Iterator[Town]:
    """A topology with all its processes open."""
    with tempfile.TemporaryDirectory(prefix="armature-town-", ignore_cleanup_errors=True) as folder:
        opened = Town(build(Path(folder) / f"town-{request.param}", request.param), request.param, town_servers)
        armature_loop.run(opened.__aenter__())
        try:
            yield opened
        finally:
            armature_loop.run(opened.__aexit__(None, None, None))
