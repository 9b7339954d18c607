"""Killed while it makes its tables, a system finds its way at the next start, and ends with the tables of an unkilled one."""

import signal
from pathlib import Path

import apsw
import pytest

from .process.load import create
from .process.server import Server, until

PLACES = ["migrate.begun", "migrate.written", "migrate.recorded", "migrate.committed"]


def schema(file: Path) -> list[tuple[object, ...]]:
    db = apsw.Connection(str(file))
    try:
        db.set_busy_timeout(5_000)
        tables = db.execute("select type, name, sql from sqlite_schema where sql is not null order by type, name").fetchall()
        return [*tables, *db.execute("select module, number, name, checksum from armature_migrations order by 1, 2").fetchall()]
    finally:
        db.close()


@pytest.fixture(scope="module")
def unkilled(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[object, ...]]:
    with Server(tmp_path_factory.mktemp("unkilled") / "data") as server:
        server.start()
        server.ask_to_leave()
        server.wait()
        return schema(server.database)


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
def test_a_first_start_that_is_killed_again_and_again_ends_well(
    tmp_path: Path, place: str, unkilled: list[tuple[object, ...]]
) -> None:
    with Server(tmp_path / "data") as server:
        for passing in (1, 2) if place != "migrate.committed" else (1, 1):
            server.start(crash=f"{place}:{passing}")
            until(lambda: server.dead, f"{place} was not passed")
            assert server.wait() == -signal.SIGKILL
        server.start()
        assert create(server, 1)
        server.ask_to_leave()
        assert server.wait() == 0
        assert schema(server.database) == unkilled
