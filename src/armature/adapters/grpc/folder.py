"""The folder in which the processes of an installation meet on one machine. It holds no data, and goes with the last of them.

Whoever listens there holds the folder's lock, which the kernel drops with the process, whatever ended it: a folder that nobody
holds, with no socket in which anybody answers, is what a dead process left.
"""

import errno
import fcntl
import os
import re
import socket
import stat
from contextlib import suppress
from pathlib import Path

__all__ = ["Occupied"]

_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OURS = re.compile(rf"armature-{os.getuid()}-[0-9a-f]{{16}}")


class Occupied:
    """A folder that is there for as long as we hold it. Made and held at once; what dead processes left beside it is removed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: int | None = _hold(folder)
        if _OURS.fullmatch(folder.name):
            for other in folder.parent.glob(f"armature-{os.getuid()}-*"):
                if other != folder and _OURS.fullmatch(other.name):
                    with suppress(OSError):  # another user's, in use, or gone meanwhile
                        _clear(other)

    def leave(self) -> None:
        """Let go of it; who leaves last takes it away. A second call does nothing."""
        if self._held is None:
            return
        with suppress(OSError):
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._folder.rmdir()
        os.close(self._held)
        self._held = None


def _hold(folder: Path) -> int:
    while True:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            held = os.open(folder, _FLAGS)
            try:
                if os.fstat(held).st_uid != os.getuid():
                    raise PermissionError(errno.EACCES, "it belongs to somebody else", str(folder))
                fcntl.flock(held, fcntl.LOCK_SH)
                # Whoever left last may have taken it away between the two.
                if os.path.samestat(folder.stat(), os.fstat(held)):
                    return held
            except BaseException:
                os.close(held)
                raise
            os.close(held)


def _clear(folder: Path) -> None:
    """Remove a folder of ours that nobody holds and in which nobody answers; raises OSError for any other."""
    held = os.open(folder, _FLAGS)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        left = list(folder.iterdir())
        if os.fstat(held).st_uid == os.getuid() and all(_deserted(one) for one in left):
            for one in left:
                one.unlink()
            folder.rmdir()
    finally:
        os.close(held)


def _deserted(path: Path) -> bool:
    """Whether it is a socket that nobody listens at: the kernel says so, also of a process that we cannot see."""
    if not stat.S_ISSOCK(path.lstat().st_mode):
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return True
    return False
