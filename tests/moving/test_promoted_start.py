"""A start from a file whose data went elsewhere: refused for good, in words that a supervisor leaves standing at the end."""

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from armature.adapters.sqlite.fence import fence
from armature.runtime.supervisor import REFUSED
from armature.testing import RunningServer
from tests.moving.world import armature

ROOT = Path(__file__).parents[2]
RUN = "from armature.cli.main import main; main()"
PLACE = "postgresql://app@db/shop"

pytestmark = pytest.mark.slow


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data folder of a system that was promoted."""
    folder = tmp_path / "data"
    assert armature("migrate", "--data", str(folder)).returncode == 0
    with closing(apsw.Connection(str(folder / "armature.db"))) as db, db:
        fence(db, PLACE)
    return folder


def test_a_promoted_file_is_refused_for_good(data: Path) -> None:
    words = f"{data}/armature.db: its data was promoted to {PLACE}; start with an environment that names that database\n"
    started = armature("run", "--port", "0", "--data", str(data))
    assert (started.returncode, started.stderr) == (REFUSED, f"armature run: {words}")
    migrated = armature("migrate", "--data", str(data))
    assert (migrated.returncode, migrated.stderr) == (1, words)


def test_callers_of_the_old_system_are_told_that_the_data_moved_and_its_log_where_to(server: RunningServer) -> None:
    with closing(apsw.Connection(str(server.data / "armature.db"))) as db, db:
        db.set_busy_timeout(5_000)
        fence(db, PLACE)
    for name in ("a", "b"):
        refused = server.post("/v1/counters", json={"name": name}, headers={"Idempotency-Key": name})
        assert refused.status == 503
        assert "its data was promoted to another one" in refused.json()["detail"]
        assert PLACE not in refused.body.decode()
    assert server.log.count("its data was promoted to postgresql://****@db/shop; start with an environment") == 1


def test_a_supervisor_ends_with_these_words(data: Path) -> None:
    command = [sys.executable, "-c", RUN, "run", "--topology", "store", "--port", "0", "--data", str(data)]
    done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == REFUSED, done.stdout
    assert f"its data was promoted to {PLACE}; start with an environment" in done.stdout.splitlines()[-1]
    assert "starts again" not in done.stdout
