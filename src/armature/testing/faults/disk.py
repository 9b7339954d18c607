"""A disk that is full, for servers: a small file system that can be filled and freed, or a limit on the size of their files.

`SmallDisk` is the real thing (ENOSPC) and needs the right to mount. `FileSizeLimit` needs nothing but the same user as the
server; its error is EFBIG ("File too large"), which programs treat as a failed write and not as a full disk.
"""

import errno
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from armature.testing.processes import descendants

__all__ = ["FileSizeLimit", "NoSmallDisk", "SmallDisk"]

_BALLAST = "ballast"
_PIECE = bytes(65_536)


class NoSmallDisk(Exception):
    """This user may not mount; the message says what mount said."""


class SmallDisk:
    """A tmpfs of `mebibytes` at `path`; `owner` is the user whose server writes there. Unmounted at the end of the block.

    with SmallDisk(16, owner="postgres") as disk:
        postgres.sql(f"create tablespace small location '{disk.path}'")
        disk.fill()      # every write that needs a new block fails with ENOSPC
        disk.free()
    """

    def __init__(self, mebibytes: int, *, owner: str | None = None) -> None:
        self.mebibytes, self.owner = mebibytes, owner
        self.fills = 0
        self._folder = Path(tempfile.mkdtemp(prefix="armature-disk-"))
        self._mounted = self._folder / "disk"

    def __enter__(self) -> Self:
        self._folder.chmod(0o755)
        self._mounted.mkdir()
        words = ["mount", "-t", "tmpfs", "-o", f"size={self.mebibytes}m,mode=0755", "tmpfs", str(self._mounted)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            shutil.rmtree(self._folder)
            raise NoSmallDisk(f"a file system of our own cannot be mounted: {done.stderr.strip().splitlines()[0]}")
        self.path.mkdir(mode=0o700)
        if self.owner is not None:
            shutil.chown(self.path, self.owner, self.owner)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        # Lazily: a server that still holds a file there must not keep the test from ending.
        subprocess.run(["umount", "-l", str(self._mounted)], capture_output=True, check=False)
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def path(self) -> Path:
        """An empty folder on it."""
        return self._mounted / "data"

    @property
    def free_bytes(self) -> int:
        """What is left."""
        return shutil.disk_usage(self._mounted).free

    def fill(self) -> None:
        """Write until nothing fits any more; `fills` counts it."""
        with (self._mounted / _BALLAST).open("ab", buffering=0) as ballast:
            for size in (len(_PIECE), 512):
                try:
                    while ballast.write(_PIECE[:size]):
                        pass
                except OSError as full:
                    if full.errno != errno.ENOSPC:
                        raise
        self.fills += 1

    def free(self) -> None:
        """Give the space back."""
        (self._mounted / _BALLAST).unlink(missing_ok=True)


class FileSizeLimit:
    """No process of a tree may let a file grow beyond `size_bytes` (RLIMIT_FSIZE), until the end of the block.

    Children that are born in the block have the limit too and lose it with the others. PostgreSQL panics when its own log (in
    files of 16 MiB) cannot be written, so a limit below that is a crash and not a refusal. Linux only (`prlimit`).
    """

    def __init__(self, pid: int, size_bytes: int) -> None:
        self.pid, self.size_bytes = pid, size_bytes
        self.limited = 0

    def __enter__(self) -> Self:
        # The first process first: whoever is born in between inherits it.
        self.limited = self._set(str(self.size_bytes))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._set("unlimited")

    def _set(self, size: str) -> int:
        return sum(self._set_one(pid, size) for pid in (self.pid, *descendants(self.pid)))

    def _set_one(self, pid: int, size: str) -> bool:
        try:
            owner = Path(f"/proc/{pid}").stat()
        except FileNotFoundError:
            return False
        # As the process's own user: even root needs a capability for somebody else's limits that containers do not have.
        user, group = (owner.st_uid, owner.st_gid) if os.geteuid() == 0 else (None, None)
        # The soft limit alone, or nobody could lift it again.
        words = ["prlimit", "--pid", str(pid), f"--fsize={size}:"]
        done = subprocess.run(words, capture_output=True, text=True, check=False, user=user, group=group)
        if done.returncode and Path(f"/proc/{pid}").exists():
            raise PermissionError(f"process {pid} cannot be limited: {done.stderr.strip()}")
        return not done.returncode
