"""The doctor's questions about the data folder: can it be written, does it have room, is it on a disk of this machine."""

import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

from armature.runtime.diagnosis import Diagnosis, error, ok, warning

__all__ = ["examine", "file_system", "free_space", "local", "writable"]

MIB = 1_048_576
FREE_BYTES_MIN = 64 * MIB
"""Below this a batch of commits with the log's growth may not fit."""
FREE_BYTES_LOW = 512 * MIB

MOUNTS = Path("/proc/self/mountinfo")

# SQLite's write-ahead log needs memory that all its processes share, and locks that are true: no network has both.
REMOTE = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "glusterfs", "lustre", "9p", "beegfs", "davfs"})
REMOTE_FUSE = re.compile(r"fuse\.(sshfs|s3fs|goofys|rclone|glusterfs|gcsfuse|davfs.*|mount-s3)")
VOLATILE = frozenset({"tmpfs", "ramfs"})


def examine(data: Path, database: Path) -> Iterator[Diagnosis]:
    """All questions about the data folder, and about the database's folder where that is another."""
    for folder in dict.fromkeys((data, database.parent)):
        yield writable(folder)
        yield free_space(folder)
        yield local(folder, _mounts())


def writable(folder: Path) -> Diagnosis:
    """Write, sync and remove a small file. A folder that does not exist yet is not created: its parent is asked."""
    place = existing(folder)
    if not place.is_dir():
        return error("data folder", f"{place} is not a folder", "move it away, or pick another folder: --data DIR")
    probe = place / f".armature-doctor-{secrets.token_hex(8)}"
    try:
        _write(probe)
    except OSError as failed:
        cure = f"give it to this user: chown {_user()} {place}; or pick another: --data DIR"
        return error("data folder", f"{place} cannot be written ({failed.strerror})", cure)
    said = f"{folder} can be written" if place == folder else f"{folder} can be created"
    return ok("data folder", said)


def _write(probe: Path) -> None:
    handle = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(handle, b"armature")
        os.fsync(handle)
    finally:
        os.close(handle)
        probe.unlink()


def free_space(folder: Path, *, bytes_min: int = FREE_BYTES_MIN, bytes_low: int = FREE_BYTES_LOW) -> Diagnosis:
    place = existing(folder)
    try:
        state = os.statvfs(place)
    except OSError as failed:
        return error("disk", f"{place} cannot be looked at ({failed.strerror})", "pick another folder: --data DIR")
    free = state.f_bavail * state.f_frsize
    said = f"{free // MIB} MiB are free for {folder}"
    cure = "make room, or pick a folder on another disk: --data DIR"
    if free < bytes_min:
        return error("disk", f"{said}, at least {bytes_min // MIB} are needed", cure)
    if state.f_files and not state.f_favail:
        return error("disk", f"no file more can be created for {folder} (no inodes are left)", cure)
    return warning("disk", said, cure) if free < bytes_low else ok("disk", said)


def local(folder: Path, mounts: str) -> Diagnosis:
    """Whether the file system belongs to this machine; `mounts` is the text of /proc/self/mountinfo, empty elsewhere."""
    kind = file_system(existing(folder), mounts)
    if not kind:
        return ok("file system", f"{folder} (this system does not tell which kind it is)")
    if kind in REMOTE or REMOTE_FUSE.fullmatch(kind):
        text = f"{folder} is on {kind}, a network: locks and shared memory do not hold there, data would be lost"
        return error("file system", text, "put the data folder on a disk of this machine: --data DIR")
    if kind in VOLATILE:
        return warning("file system", f"{folder} is on {kind}: a restart loses it", "pick a folder on a disk: --data DIR")
    return ok("file system", f"{folder} is on {kind}")


def file_system(place: Path, mounts: str) -> str:
    """The kind of the file system that holds a path: that of the longest mount point above it, the latest of equals."""
    found, depth = "", -1
    for line in mounts.splitlines():
        left, separator, right = line.partition(" - ")
        fields = left.split(" ")
        if not separator or len(fields) < 5:
            continue
        point = Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[4]))
        if (place == point or point in place.parents) and len(point.parts) >= depth:
            found, depth = right.split(" ")[0], len(point.parts)
    return found


def existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    place = folder.absolute()
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent
    return place.resolve()


def _mounts() -> str:
    try:
        return MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""


def _user() -> str:
    return str(os.getuid()) if hasattr(os, "getuid") else "you"
