"""Where the owner of a file is met: its socket and its lock, both beside the data.

The lock is what makes one process the owner: the kernel drops it with the process, whatever ended it. The socket is put into
its place ready and by renaming, so that a guest meets the old one (nobody answers), or one that listens.
"""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

from armature.kernel.refusals import Unavailable

__all__ = ["Hold", "listening", "reachable"]

_PATH_BYTES_MAX = 100
"""Of a socket's path the kernel takes 107, and a name that is only for a moment is a little longer than ours."""
_BACKLOG = 128


class Hold:
    """The right to own a file: one process has it at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: FileIO | None = None

    def take(self) -> None:
        """Take it or refuse with words; a second take is nothing."""
        if self._file is not None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = FileIO(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            who = file.read(64).decode(errors="replace").strip() or "another process"
            file.close()
            cure = "stop that one first, or give role store to one process only"
            raise Unavailable(what=f"database: {who} owns the file already ({self._path}); {cure}") from None
        file.truncate(0)
        file.write(f"process {os.getpid()}\n".encode())
        self._file = file

    @property
    def taken(self) -> bool:
        """Whether some process has it now."""
        try:
            with self._path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def release(self) -> None:
        """Give it back."""
        if self._file is not None:
            self._file.close()
            self._file = None


def listening(path: Path) -> socket.socket:
    """Return a socket that listens at `path`, for this user alone. Whoever calls holds the file: what is there is stale."""
    ours = path.with_name(f"{path.name}.{os.getpid()}")
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with suppress(FileNotFoundError):
            ours.unlink()
        with reachable(ours) as short:
            made.bind(short)
        ours.chmod(0o600)
        made.listen(_BACKLOG)
        made.setblocking(False)
        ours.replace(path)
    except OSError as error:
        made.close()
        raise Unavailable(what=f"database: no socket can be made at {path}: {error.strerror}") from error
    return made


@contextmanager
def reachable(path: Path) -> Iterator[str]:
    """Yield a path to the same place that is short enough for a socket's address."""
    if len(os.fsencode(path)) <= _PATH_BYTES_MAX:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
