"""Pieces of the log as files: written once, synced, and believed only while their hash is right.

A segment is one header line of JSON and, compressed behind it, one JSON line for each event. The header repeats what the
database says of the file, so that a folder of segments can be understood without any database. The hash is over the lines
before compression: it speaks of the events, not of a compressor's version.
"""

import hashlib
import os
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

__all__ = ["ArchiveHole", "Segment", "SegmentFile", "read_lines", "remove_leftovers"]

_LEVEL = 3  # five times faster than the default and a tenth larger on event JSON
_SUFFIX = ".segment"

_encode = msgspec.json.Encoder().encode


class ArchiveHole(Exception):
    """The log cannot be read from a position on. `position` is the first one that is missing."""

    def __init__(self, position: int, why: str) -> None:
        self.position = position
        super().__init__(
            f"the log is missing position {position}: {why}; restore the archive's files from a backup, then run this again"
        )


class Segment(Struct, frozen=True):
    """A row of `armature_segments`."""

    first_id: int
    last_id: int
    events: int
    file: str
    sha256: str


class SegmentFile:
    """A segment while it is written. Nothing bears the final name before everything is on the disk."""

    def __init__(self, folder: Path, first: int, last: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._first, self._last = first, last
        self._name = f"{first:016d}-{last:016d}{_SUFFIX}"
        self._hash = hashlib.sha256()
        self._squeeze = zlib.compressobj(_LEVEL)
        self._pieces: list[bytes] = []
        self._events = 0

    def add(self, events: Iterable[Struct]) -> None:
        """Append events, in order."""
        for event in events:
            line = _encode(event) + b"\n"
            self._hash.update(line)
            self._pieces.append(self._squeeze.compress(line))
            self._events += 1

    def close(self) -> Segment:
        """Write, sync the file, give it its name, sync the folder."""
        segment = Segment(self._first, self._last, self._events, self._name, self._hash.hexdigest())
        # The process id keeps two sweepers apart; they write the same bytes, so whoever renames last changes nothing.
        draft = self._folder / f"{self._name}.{os.getpid()}.draft"
        with draft.open("wb") as out:
            out.write(_encode(segment) + b"\n")
            out.writelines(self._pieces)
            out.write(self._squeeze.flush())
            out.flush()
            os.fsync(out.fileno())
        draft.replace(self._folder / self._name)
        _sync_folder(self._folder)
        return segment


def read_lines(folder: Path, segment: Segment, wanted: int) -> list[bytes]:
    """Return the events of a segment, one JSON text each; `wanted` is the position a reader is looking for."""
    path = folder / segment.file
    missing = max(wanted, segment.first_id)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ArchiveHole(missing, f"{path} cannot be read ({error.strerror})") from error
    _, _, squeezed = raw.partition(b"\n")
    try:
        body = zlib.decompress(squeezed)
    except zlib.error as error:
        raise ArchiveHole(missing, f"{path} is damaged ({error})") from error
    if hashlib.sha256(body).hexdigest() != segment.sha256:
        raise ArchiveHole(missing, f"{path} is not the file that was recorded: its hash differs")
    lines = body.splitlines()
    if len(lines) != segment.last_id - segment.first_id + 1:
        raise ArchiveHole(missing, f"{path} holds {len(lines)} events for {segment.first_id} to {segment.last_id}")
    return lines


def remove_leftovers(folder: Path) -> None:
    """Remove drafts of writers that were killed."""
    for draft in folder.glob(f"*{_SUFFIX}.*.draft"):
        owner: Any = draft.name.rsplit(".", 2)[1]
        if owner == str(os.getpid()) or not _alive(int(owner)):
            draft.unlink(missing_ok=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
