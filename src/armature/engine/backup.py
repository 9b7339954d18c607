"""What a backup says of itself: whose log it holds, up to where, and what each of its files must be, to the byte.

The manifest is written last, so a backup that was interrupted has none and is no backup. A restore believes nothing that it
has not compared with it.
"""

import hashlib
import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from armature.ports.migrator import SchemaRefused, Trouble

__all__ = [
    "MANIFEST",
    "Kept",
    "Manifest",
    "TableCopy",
    "check",
    "empty_folder",
    "kept",
    "read_manifest",
    "refused",
    "restore_archive",
    "same_migrations",
    "save_archive",
    "synced",
    "write_manifest",
]

MANIFEST = "manifest.json"
_FORMAT = 1
_ARCHIVE = "archive"


class Kept(Struct, frozen=True):
    """A file of the backup, by its path inside it."""

    file: str
    size: int
    sha256: str


class TableCopy(Struct, frozen=True):
    """A table: its columns in the order they are kept in, how many rows, and where its content can be hashed, the hash."""

    name: str
    columns: tuple[str, ...]
    rows: int
    sha256: str = ""


class Manifest(Struct, frozen=True):
    """A whole backup. `head` is the last position of the log, `last_id` the highest id an event ever had."""

    dialect: str
    version: str
    taken_at: str
    log: str
    epoch: int
    head: int
    last_id: int
    migrations: tuple[tuple[str, int, str], ...]
    tables: tuple[TableCopy, ...]
    files: tuple[Kept, ...]
    format: int = _FORMAT


def refused(place: object, text: str, cure: str) -> SchemaRefused:
    """Return a refusal in words."""
    return SchemaRefused(Trouble(str(place), 0, text, cure))


def empty_folder(folder: Path) -> None:
    """Make a folder for a new backup; refuse one that holds something."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise refused(folder, "the folder is not empty", "name a new one; a backup never replaces another")


def kept(folder: Path, file: Path) -> Kept:
    """Describe a file and make sure it is on the disk."""
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
    return Kept(str(file.relative_to(folder)), file.stat().st_size, _hash(file))


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write it, last of all."""
    path = folder / f"{MANIFEST}.new"
    with path.open("wb") as opened:
        opened.write(msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")
        opened.flush()
        os.fsync(opened.fileno())
    path.rename(folder / MANIFEST)
    synced(folder)


def read_manifest(folder: Path) -> Manifest:
    """Read what a backup says of itself; refuse what is none, or of a later kind."""
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except OSError as error:
        cure = "name the folder that `armature backup` wrote; one that was interrupted is no backup"
        raise refused(folder, f"there is no {MANIFEST} in it", cure) from error
    except msgspec.DecodeError as error:
        raise refused(folder / MANIFEST, f"it is damaged ({error})", "take another backup") from error
    if manifest.format != _FORMAT:
        raise refused(folder, f"its format is {manifest.format}, this version reads {_FORMAT}", "use the version that wrote it")
    return manifest


def check(folder: Path, manifest: Manifest) -> None:
    """Compare every file with the manifest; all that is wrong is told at once."""
    troubles = [
        Trouble(str(folder / one.file), 0, text, "take another backup; this one cannot be restored")
        for one in manifest.files
        if (text := _wrong(folder / one.file, one))
    ]
    if troubles:
        raise SchemaRefused(*troubles)


def save_archive(folder: Path, archive: Path, files: Iterable[str]) -> list[Kept]:
    """Copy the segments of the log that live in files; they never change once they are there."""
    found = []
    for name in files:
        copy = folder / _ARCHIVE / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(archive / name, copy)
        except OSError as error:
            text = f"the segment {name} of the log cannot be read ({error.strerror})"
            raise refused(archive, text, "bring it back; without it no backup is whole") from error
        found.append(kept(folder, copy))
    return found


def restore_archive(folder: Path, archive: Path, manifest: Manifest) -> None:
    """Put the segments back; one that is there must be the same."""
    for one in manifest.files:
        if not one.file.startswith(f"{_ARCHIVE}/"):
            continue
        there = archive / one.file.removeprefix(f"{_ARCHIVE}/")
        if there.exists() and _wrong(there, one):
            raise refused(there, "another segment has that name", "name an empty data folder")
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / one.file, there)
        synced(there)
        synced(there.parent)


def same_migrations(manifest: Manifest, applied: Iterable[tuple[str, int, str]]) -> None:
    """Refuse a schema that is not the backup's."""
    difference: Sequence[tuple[str, int, str]] = sorted(set(manifest.migrations) ^ set(applied))
    if difference:
        module, number, name = difference[0]
        side = "here only" if difference[0] not in manifest.migrations else "in the backup only"
        text = f"migration {module}/{number:04}_{name} is {side}"
        raise refused("schema", text, f"restore with version {manifest.version} of the project, then migrate")


def synced(path: Path) -> None:
    """Make sure that a file, or the names in a folder, are on the disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _wrong(path: Path, one: Kept) -> str:
    if not path.is_file():
        return "it is missing"
    size = path.stat().st_size
    if size < one.size:
        return f"it is truncated: {size} of {one.size} bytes"
    return "" if size == one.size and _hash(path) == one.sha256 else "it is damaged: its hash is another one"


def _hash(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
