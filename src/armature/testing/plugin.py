"""The pytest plugin: `app` and `server` as fixtures, and tests that may be coroutines.

Switched on by one line in `pyproject.toml`:

    [tool.pytest.ini_options]
    addopts = "-p armature.testing.plugin"

The project is the nearest folder above the test that has `modules/`.
"""

import asyncio
import inspect
from collections.abc import Iterator
from itertools import count

import pytest

from armature.runtime.process import project_root
from armature.testing.app import TestApp
from armature.testing.server import RunningServer
from armature.testing.servers import LocalNats, LocalPostgres, LocalRedis

__all__ = ["app", "armature_loop", "nats", "postgres", "postgres_url", "redis", "server"]

_numbers = count(1)


@pytest.fixture
def armature_loop() -> Iterator[asyncio.Runner]:
    """The event loop that a test shares with its application."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def app(request: pytest.FixtureRequest, armature_loop: asyncio.Runner) -> Iterator[TestApp]:
    """The project's whole system on a throw-away database."""
    opened = TestApp(project_root(request.path.parent))
    armature_loop.run(opened.open())
    try:
        yield opened
    finally:
        armature_loop.run(opened.close())


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[RunningServer]:
    """A real process of the project, ready, on a free port; for tests that kill."""
    with RunningServer(project_root(request.path.parent)) as running:
        yield running


@pytest.fixture(scope="session")
def postgres() -> Iterator[LocalPostgres]:
    """A PostgreSQL that all tests of this run share: none may kill, pause or fill it. Who must takes one of its own."""
    with LocalPostgres() as running:
        yield running


@pytest.fixture
def postgres_url(postgres: LocalPostgres) -> str:
    """The address of an empty database."""
    return postgres.create_database(f"test_{next(_numbers)}")


@pytest.fixture(scope="session")
def redis() -> Iterator[LocalRedis]:
    """A Redis that all tests of this run share; the rule of `postgres` holds."""
    with LocalRedis() as running:
        yield running


@pytest.fixture(scope="session")
def nats() -> Iterator[LocalNats]:
    """A NATS server with JetStream that all tests of this run share; the rule of `postgres` holds."""
    with LocalNats() as running:
        yield running


@pytest.hookimpl
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is a coroutine, in its application's loop if it has one; others are left to other plugins."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    given = {name: pyfuncitem.funcargs[name] for name in inspect.signature(pyfuncitem.obj).parameters}
    runner = pyfuncitem.funcargs.get("armature_loop")
    if isinstance(runner, asyncio.Runner):
        runner.run(pyfuncitem.obj(**given))
    else:
        with asyncio.Runner() as own:
            own.run(pyfuncitem.obj(**given))
    return True
