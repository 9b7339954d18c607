"""Servers do not outlive who started them, and two runs do not share a folder of servers."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from armature.testing.servers import Guard
from tests.testing.test_keeper import REFUSE, Small, alive

PROJECT = Path(__file__).parents[2]
# What `armature run --servers` does, as small as it gets; says which process its server is.
RUN = """
import signal, sys, time
from pathlib import Path
from armature.testing.servers import Guard
from tests.testing.test_keeper import Small
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # who runs us may be deaf to it
folder = Path(sys.argv[1])
guard = Guard(folder)
small = Small(folder / "small")
small.start()
print(small.pid, flush=True)
time.sleep(600)
"""


@contextmanager
def running(folder: Path) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    words = [sys.executable, "-c", RUN, str(folder)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=PROJECT, env={**os.environ, "PYTHONPATH": "."}) as first:
        assert first.stdout is not None
        try:
            yield first, int(first.stdout.readline())
        finally:
            first.kill()


@pytest.mark.parametrize("way", [signal.SIGKILL, signal.SIGHUP, signal.SIGTERM])
def test_the_servers_of_a_run_that_is_killed_are_stopped_and_the_next_run_finds_the_folder_free(
    way: signal.Signals, tmp_path: Path
) -> None:
    with running(tmp_path) as (first, server):
        assert alive(server)
        first.send_signal(way)
        first.wait()
        Guard(tmp_path).stop()
        assert not alive(server)


def test_a_second_run_on_the_folder_is_refused_by_name_and_the_first_goes_on(tmp_path: Path) -> None:
    with running(tmp_path) as (first, server):
        with pytest.raises(RuntimeError, match=f"process {first.pid} runs servers in that folder; stop it first"):
            Guard(tmp_path)
        assert alive(server)


def test_a_run_that_ends_well_leaves_nothing_to_its_guard(tmp_path: Path) -> None:
    for _ in range(2):
        guard = Guard(tmp_path)
        with Small(tmp_path / "small") as small:
            assert small.answers()
        guard.stop()
    assert not (tmp_path / "small" / "pid").exists()


def test_a_number_that_nobody_took_back_is_no_reason_to_stop_whoever_has_it_now(tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "pid").write_text(f"{os.getpid()} {signal.SIGKILL.value}")
    Guard(tmp_path).stop()


def test_what_a_server_said_in_an_earlier_life_does_not_explain_this_one(tmp_path: Path) -> None:
    small = Small(tmp_path)
    (tmp_path / "log").write_text("an old trouble\n")
    (tmp_path / "broken").touch()
    with pytest.raises(RuntimeError) as failed:
        small.start()
    assert "no room on the disk" in REFUSE and "no room on the disk" in str(failed.value)
    assert "old" not in str(failed.value)
