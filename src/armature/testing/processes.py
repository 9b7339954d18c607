"""Processes and their children: the tree a signal must reach when a program is to freeze or die as a whole."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["descendants", "frozen", "signal_tree"]

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


@contextmanager
def frozen(pid: int) -> Iterator[int]:
    """Stop a process tree (SIGSTOP) for the length of the block and let it go on; yields how many processes stand still.

    A pause is the fault that leases must survive: the process does not know that time has passed.
    """
    reached = signal_tree(pid, signal.SIGSTOP)
    if not reached:
        raise ProcessLookupError(f"there is no process {pid} to freeze")
    try:
        # A signal is sent at once and takes effect when its receiver is scheduled next.
        while any(_moves(one) for one in (pid, *descendants(pid))):
            time.sleep(_LOOK_SECONDS)
        yield reached
    finally:
        signal_tree(pid, signal.SIGCONT)


def _moves(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in _STILL
    except FileNotFoundError:
        return False
