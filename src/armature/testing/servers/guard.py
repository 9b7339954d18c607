"""Sees to it that no server outlives who started it, also where that one is killed with -9 or its terminal is closed.

A guard is a process of its own, which waits until its input ends. It is this file, run by itself: it imports nothing of ours.
"""

import fcntl
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

__all__ = ["PID", "Guard"]

PID = "pid"
"""The file in a server's folder that says which process it is, and by which signal it likes to be stopped."""

_LEAVE_SECONDS = 15.0
_SHORT_SECONDS = 1.0
_LOOK_SECONDS = 0.05


class Guard:
    """Holds `folder`, with the folders of servers in it, for this process alone, until `stop`."""

    def __init__(self, folder: Path) -> None:
        """Wait for what a killed run has left to leave; RuntimeError where another run is at work."""
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = (folder / "lock").open("a+")
        try:
            _take(self._lock)
        except RuntimeError:
            self._lock.close()
            raise
        for left in folder.glob(f"*/{PID}"):
            left.unlink()  # of a run whose guard was killed too; the process may be anybody's now
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # The folder is free when both of us have ended.
            pass_fds=(self._lock.fileno(),),
            start_new_session=True,
        )

    def stop(self) -> None:
        """Let the folder go. What still runs in it is stopped."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        self._lock.close()


def _take(lock: IO[str]) -> None:
    soon, late = time.monotonic() + _SHORT_SECONDS, time.monotonic() + 2 * _LEAVE_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            owner = lock.read()
            # One that was killed is there until its parent has seen it.
            if time.monotonic() > (soon if _lives(int(owner or 0)) else late):
                raise RuntimeError(f"process {owner} runs servers in that folder; stop it first") from None
            time.sleep(_LOOK_SECONDS)
        else:
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            return


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return pid > 0


def _end(folder: Path) -> None:
    """Stop every server whose number is still in its folder: politely, then by force."""
    said = [path.read_text().split() for path in folder.glob(f"*/{PID}")]
    pids = {int(pid): int(polite) for pid, polite in said}
    for pid, polite in pids.items():
        with suppress(ProcessLookupError):
            os.kill(pid, polite)
    until = time.monotonic() + _LEAVE_SECONDS
    while any(map(_lives, pids)) and time.monotonic() < until:
        time.sleep(_LOOK_SECONDS)
    for pid in filter(_lives, pids):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.stdin.buffer.read()
    _end(Path(sys.argv[1]))
