"""A local server that ends is started again, on its port, for as long as it is wanted."""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from armature.runtime.children import Restarts
from armature.testing.servers import Keeper, LocalServer

SECONDS_MAX = 20.0
ANSWER = """
import socket, sys
with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as door:
    while True:
        door.accept()[0].close()
"""
REFUSE = "import sys; sys.exit('no room on the disk')"


class Small(LocalServer):
    """Answers as long as its folder has no file `broken`; counts its starts there."""

    name = "small"

    def command(self) -> list[str]:
        with (self.folder / "starts").open("a") as starts:
            starts.write("x")
        return [sys.executable, "-c", REFUSE if (self.folder / "broken").exists() else ANSWER, str(self.port)]

    def answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1.0).close()
        except OSError:
            return False
        return True


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Small]:
    with Small(tmp_path / "small") as server:
        yield server


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS_MAX
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def at_once() -> Restarts:
    return Restarts(lambda: -1.5)


def starts(server: Small) -> int:
    return len((server.folder / "starts").read_text())


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_a_server_that_is_killed_runs_again_on_its_port_and_leaves_no_zombie(small: Small) -> None:
    told: list[str] = []
    keeper = Keeper(small, told.append)
    first, port = small.pid, small.port
    os.kill(first, signal.SIGKILL)
    until(lambda: len(told) == 2)
    assert "small ended with SIGKILL; it starts again in 0." in told[0]
    assert told[1] == f"small runs again on port {port}, as process {small.pid}"
    assert small.answers() and small.pid != first and not alive(first)
    keeper.stop()
    assert not small.running and starts(small) == 2


def test_a_server_that_cannot_come_back_is_said_in_words_and_returns_once_it_can(small: Small) -> None:
    told: list[str] = []
    keeper = Keeper(small, told.append, at_once())
    (small.folder / "broken").touch()
    os.kill(small.pid, signal.SIGKILL)
    until(lambda: len(told) > 10)
    assert all("cannot be started again: small did not start on port" in one for one in told[1:])
    assert all(f"no room on the disk, its log is {small.folder}/log" in one for one in told[1:])
    (small.folder / "broken").unlink()
    until(lambda: "runs again" in told[-1])
    keeper.stop()
    assert not small.running


def test_a_server_is_not_started_again_by_who_leaves(small: Small) -> None:
    told: list[str] = []
    keeper = Keeper(small, told.append, Restarts(lambda: 1_000.0))
    os.kill(small.pid, signal.SIGKILL)
    until(lambda: bool(told))
    keeper.stop()
    assert not small.running and starts(small) == 1
