"""A disk that keeps only what it was told to sync, for files that SQLite writes through it.

Every write, truncation and sync is noted in one order, together with the acknowledgements that the test gave out.
From this record the state of the files after a power cut at any moment can be made: what was synced is there, and of
the rest any part, sector by sector. The disk can also be full, or fail to sync or to read.
"""

import itertools
import random
from pathlib import Path
from typing import Any

import apsw

SECTOR = 512
_serial = itertools.count()


class Note:
    """One thing that happened: a write, a truncation, a sync of a file, or an acknowledgement."""

    def __init__(self, what: str, file: str, offset: int = 0, data: bytes = b"", ack: Any = None) -> None:
        self.what, self.file, self.offset, self.data, self.ack = what, file, offset, data, ack


class LossyDisk(apsw.VFS):
    """A VFS on top of the real one. Use `uri(path)` as the database's path."""

    def __init__(self) -> None:
        self.vfs_name = f"lossy{next(_serial)}"
        self.notes: list[Note] = []
        self.full = False
        self.sync_fails = False
        self.reads_fail = False
        super().__init__(self.vfs_name, "")

    def uri(self, path: Path) -> str:
        return f"file:{path}?vfs={self.vfs_name}"

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - the vendor's name
        kept = flags[0] & (apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_WAL)
        return _LossyFile(self, name, flags) if kept else apsw.VFSFile("", name, flags)

    def ack(self, token: Any) -> None:
        """Note that a caller has been told."""
        self.notes.append(Note("ack", "", ack=token))

    def acked(self, cut: int) -> set[Any]:
        return {note.ack for note in self.notes[:cut] if note.what == "ack"}

    def survivors(self, cut: int, dice: random.Random, kept: float) -> dict[str, bytes]:
        """Return the files after a power cut behind `cut` notes; `kept` is the chance of an unsynced sector to survive."""
        past = self.notes[:cut]
        synced = {note.file: index for index, note in enumerate(past) if note.what == "sync"}
        files: dict[str, bytearray] = {}
        for index, note in enumerate(past):
            if note.what in ("write", "truncate"):
                content = files.setdefault(note.file, bytearray())
                _survive(content, note, dice, 1.0 if index < synced.get(note.file, -1) else kept)
        return {name: bytes(content) for name, content in files.items()}


def _survive(content: bytearray, note: Note, dice: random.Random, kept: float) -> None:
    if note.what == "truncate":
        if dice.random() < kept:
            del content[note.offset :]
        return
    for start in range(note.offset - note.offset % SECTOR, note.offset + len(note.data), SECTOR):
        if dice.random() < kept:
            first, last = max(start, note.offset), min(start + SECTOR, note.offset + len(note.data))
            content.extend(bytes(max(0, last - len(content))))
            content[first:last] = note.data[first - note.offset : last - note.offset]


class _LossyFile(apsw.VFSFile):
    def __init__(self, disk: LossyDisk, name: Any, flags: list[int]) -> None:
        self._disk = disk
        self._file = Path(name.filename() if isinstance(name, apsw.URIFilename) else name).name
        super().__init__("", name, flags)

    def xWrite(self, data: Any, offset: int) -> None:  # noqa: N802
        if self._disk.full:
            raise apsw.FullError("no space left (simulated)")
        self._disk.notes.append(Note("write", self._file, offset, bytes(data)))
        super().xWrite(data, offset)

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802
        if self._disk.reads_fail:
            raise apsw.IOError("the disk does not read (simulated)")
        return super().xRead(amount, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        self._disk.notes.append(Note("truncate", self._file, newsize))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802
        if self._disk.sync_fails:
            failed = apsw.IOError("the disk does not sync (simulated)")
            failed.extendedresult = apsw.SQLITE_IOERR_FSYNC  # type: ignore[attr-defined]
            raise failed
        super().xSync(flags)
        self._disk.notes.append(Note("sync", self._file))
