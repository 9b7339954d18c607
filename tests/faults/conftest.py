"""A database that is migrated already: most of a system's first start is its tables."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from armature.testing.servers import LocalPostgres

from .process.fleet import Breakable, Fleet, fleet_on
from .process.whole import migrate

_numbers = count(1)


@pytest.fixture(scope="session")
def template(postgres: LocalPostgres) -> Iterator[str]:
    """The name of a database with all tables, and nobody connected to it."""
    migrate(postgres.create_database("faults_template"))
    yield "faults_template"


@pytest.fixture
def ready_url(postgres: LocalPostgres, template: str) -> str:
    """The address of a migrated database without any rows."""
    name = f"faults_{next(_numbers)}"
    postgres.sql(f'create database "{name}" template "{template}"')
    return postgres.url(name)


@pytest.fixture(scope="session")
def breakable() -> Iterator[Breakable]:
    """Servers that a test may kill, pause and fill, if it leaves them as it found them."""
    servers = Breakable()
    try:
        yield servers
    finally:
        servers.close()


@pytest.fixture
def fleet(breakable: Breakable, tmp_path: Path) -> Iterator[Fleet]:
    """A database of its own on those servers, behind proxies."""
    with fleet_on(breakable, tmp_path / "fleet") as made:
        yield made
