"""RunningServer and crash_at drive real processes; a crash that did not happen is never taken for one that did."""

import signal
import sys
from http.client import HTTPException
from pathlib import Path

import pytest

from armature.testing import RunningServer, crash_at
from armature.testing.crash import CRASH_VARIABLE
from tests.model.project import project

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


def test_what_was_acknowledged_outlives_a_kill(server: RunningServer) -> None:
    made = server.post("/v1/counters", json={"name": "visits"})
    url = server.url
    server.kill9()
    assert server.exit_code == -signal.SIGKILL
    server.restart()
    assert server.url == url, "a restart keeps the port"
    assert server.get(made.headers["location"]).body == made.body


def test_a_server_told_to_stop_ends_well(server: RunningServer) -> None:
    assert server.sigterm() == 0
    with pytest.raises(OSError):
        server.get("/livez")


def test_a_server_dies_where_it_was_told_to_and_lives_again(server: RunningServer) -> None:
    # The platform commits too (generations, announcements), so the passing is far enough to be reached under requests.
    server.restart(environ={CRASH_VARIABLE: "commit.written:30"})
    with pytest.raises((OSError, HTTPException)):  # the connection breaks without an answer
        for number in range(1_000):
            server.post("/v1/counters", json={"name": f"c{number}"})
    assert server.wait_dead() == -signal.SIGKILL
    server.restart(environ={})
    assert server.get("/v1/counters").status == 200


def test_a_server_that_cannot_start_tells_why() -> None:
    broken = RunningServer(ROOT, environ={"ARMATURE_HTTP__PREFIXX": "/v2"})
    with pytest.raises(AssertionError, match="ended with 2 before it was ready(.|\n)*PREFIXX"):
        broken.start()
    broken.close()


def test_a_process_that_takes_no_requests_says_where_it_listens_and_shows_no_api(tmp_path: Path) -> None:
    (tmp_path / "modules").symlink_to(ROOT / "modules")
    project(tmp_path, single="processes: {keeper: {roles: [projector, sweeper, relay, reactor]}}")
    with RunningServer(tmp_path) as server:
        assert f"Armature listens on {server.url} after " in server.log
        assert server.get("/livez").status == 200
        assert [line.split()[0] for line in server.log.splitlines() if line.startswith("  ")] == ["health"]


def test_starting_twice_is_refused(server: RunningServer) -> None:
    with pytest.raises(RuntimeError, match="runs already"):
        server.start()


HANGS = "import threading; threading.Event().wait()"
PASSES = "from armature.engine.crash import crashpoint; print('before', flush=True); crashpoint('commit.formed')"


def test_the_last_words_of_a_process_are_kept() -> None:
    assert crash_at("commit.formed", [sys.executable, "-c", PASSES]).out == "before\n"


def test_a_process_that_lives_on_fails_the_test() -> None:
    with pytest.raises(AssertionError, match="commit.begun was never passed"):
        crash_at("commit.begun", [sys.executable, "-c", PASSES])


def test_a_process_that_hangs_is_ended() -> None:
    with pytest.raises(AssertionError, match="was not passed in"):
        crash_at("commit.begun", [sys.executable, "-c", HANGS], timeout_seconds=1)
