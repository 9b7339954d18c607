"""How a child process notices that whoever supervises it is gone: a pipe that nobody writes to, and that ends with its holder.

Works where a parent is killed with -9, on every system with pipes, and does not rest on the child's event loop: a child that
hangs is ended too.
"""

import os
import signal
import threading
import time

__all__ = ["hold", "tie"]


def hold() -> tuple[int, int]:
    """Return both ends of a tether: the first is inherited by the child, the second is kept open for as long as we live."""
    theirs, ours = os.pipe()
    os.set_inheritable(theirs, True)
    return theirs, ours


def tie(end: int, grace_seconds: float) -> None:
    """Leave politely when the other end closes, and by force when that takes longer than the grace."""

    def watch() -> None:
        while os.read(end, 1):
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(grace_seconds)
        os._exit(1)

    threading.Thread(target=watch, name="tether", daemon=True).start()
