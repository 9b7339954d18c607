"""Processes and their children: the tree a signal must reach when a program is to freeze or die as a whole."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["descendants", "freeze", "frozen", "signal_tree"]

_LOOK_SECONDS = 0.001
_STILL = "TtZX"
"""States of /proc/PID/stat: stopped, traced, a zombie, dead."""


def descendants(pid: int) -> Iterator[int]:
    """Yield the children of a process and theirs; those that lead sessions of their own too (Linux: from /proc)."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                parents.setdefault(int(fields[1]), []).append(int(entry.name))
    waiting = [pid]
    while waiting:
        for child in parents.get(waiting.pop(), []):
            waiting.append(child)
            yield child


def signal_tree(pid: int, number: signal.Signals) -> int:
    """Send a signal to a process and everything below it; return how many got it.

    The first process comes last, or it might replace a child.
    """
    reached = 0
    for one in (*descendants(pid), pid):
        with suppress(ProcessLookupError):
            os.kill(one, number)
            reached += 1
    return reached


def freeze(pid: int) -> int:
    """Stop a process tree (SIGSTOP) and wait until all of it stands still; return how many processes got the signal.

    A signal is sent at once and takes effect when its receiver is scheduled next: on a busy machine a server answers for a while.
    """
    reached = signal_tree(pid, signal.SIGSTOP)
    while reached and any(_moves(one) for one in (pid, *descendants(pid))):
        time.sleep(_LOOK_SECONDS)
        # Again, for children that were born meanwhile.
        reached = max(reached, signal_tree(pid, signal.SIGSTOP))
    return reached


@contextmanager
def frozen(pid: int) -> Iterator[int]:
    """Freeze a process tree for the length of the block and let it go on; yields how many processes stand still.

    A pause is the fault that leases must survive: the process does not know that time has passed.
    """
    try:
        if not (reached := freeze(pid)):
            raise ProcessLookupError(f"there is no process {pid} to freeze")
        yield reached
    finally:
        signal_tree(pid, signal.SIGCONT)


def _moves(pid: int) -> bool:
    """Whether a thread of a process runs, or will when its turn comes."""
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
    except FileNotFoundError:
        return False
    return any(_state(one) not in _STILL for one in threads)


def _state(thread: Path) -> str:
    try:
        return (thread / "stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"
