"""A package as files: written whole or compared whole. A file of somebody else is never written over, and one that the
contract no longer asks for goes away, because the package has a list of what was made."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

__all__ = ["LIST", "Package", "Strange", "drift", "write"]

LIST = ".armature-client.json"
"""The list of made files, each with its hash, and what they were made from."""


class Package(Struct, frozen=True):
    """A client before it is written: files by path, and the fingerprint of the contracts."""

    language: str
    contracts: Mapping[str, int]
    fingerprint: str
    files: Mapping[str, str]

    def listed(self) -> bytes:
        """Return the list that stands beside the files."""
        made = {
            "made_by": _maker(self.language),
            "contracts": dict(self.contracts),
            "fingerprint": self.fingerprint,
            "files": {name: _hash(self.files[name].encode()) for name in sorted(self.files)},
        }
        return msgspec.json.format(msgspec.json.encode(made), indent=2) + b"\n"


class Strange(Exception):
    """The folder holds something that was not made here; the message names it and the cure."""


def write(package: Package, folder: Path) -> list[str]:
    """Write the files; return what changed. Raises `Strange` rather than writing over what somebody wrote."""
    ours = _made(folder, package.language)
    foreign = [name for name in package.files if name not in ours and (folder / name).exists()]
    if foreign:
        text = f"{folder / foreign[0]} exists and was not made by this command"
        raise Strange(f"{text}; name an empty folder with --out, or move the file away")
    changed = []
    for name in sorted(ours - package.files.keys()):
        (folder / name).unlink(missing_ok=True)
        changed.append(name)
    for name, content in sorted(_all(package).items()):
        path = folder / name
        if not path.exists() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            changed.append(name)
    return changed


def drift(package: Package, folder: Path) -> list[str]:
    """Return what is not as it would be written now, each with what is wrong; empty when nothing is."""
    found = [
        f"{name}: no longer asked for by the contracts" for name in sorted(_made(folder, package.language) - package.files.keys())
    ]
    for name, text in sorted(_all(package).items()):
        path = folder / name
        if not path.exists():
            found.append(f"{name}: missing")
        elif path.read_bytes() != text:
            found.append(f"{name}: differs")
    return found


def _all(package: Package) -> dict[str, bytes]:
    return {LIST: package.listed(), **{name: text.encode() for name, text in package.files.items()}}


def _made(folder: Path, language: str) -> set[str]:
    """The files that an earlier run made; only names below the folder count, whatever the list says."""
    path = folder / LIST
    if not path.exists():
        return set()
    try:
        listed = msgspec.json.decode(path.read_bytes(), type=_Listed)
    except msgspec.MsgspecError as error:
        raise Strange(f"{path} cannot be read ({error}); remove the folder and make the client anew") from None
    if listed.made_by != _maker(language):
        raise Strange(f"{folder} was made by `{listed.made_by}`; name another folder with --out, or remove that one")
    root = folder.resolve()
    return {name for name in listed.files if (root / name).resolve().is_relative_to(root) and (folder / name).exists()}


def _maker(language: str) -> str:
    return f"armature client {language}"


class _Listed(Struct):
    made_by: str
    files: dict[str, str]


def _hash(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()
