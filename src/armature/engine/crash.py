"""Places where a test may kill the process, to prove that nothing half done survives it.

`ARMATURE_CRASH=commit.begun:3` kills the process with SIGKILL when it passes `commit.begun` for the third time. Off, a
crash point costs one test of a global.
"""

import os
import signal

__all__ = ["CRASH_POINTS", "crashpoint"]

CRASH_POINTS = frozenset({"migrate.begun", "migrate.written", "migrate.recorded"})
"""Every name that may be asked for; tests of faults run through all of them."""

_NAME, _, _COUNT = os.environ.get("ARMATURE_CRASH", "").partition(":")
_left = int(_COUNT or 1)


def crashpoint(name: str) -> None:
    """Die here if this is the passing that was asked for."""
    if _NAME and name == _NAME:
        _pass()


def _pass() -> None:
    global _left
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
