"""The documents that were promised before: what lies in `contracts/`, or lay there at a revision of the repository."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

__all__ = ["BREAKS", "FOLDER", "NoBase", "base_at", "documents_in"]

FOLDER = "contracts"
BREAKS = "breaks.md"
"""Where intended breaks are written down, for whoever reviews them and for those they break."""

_NOT_DERIVED = frozenset({"sql.json"})
"""What a server said about the statements; `armature check sql` compares it."""
_SECONDS_MAX = 60.0


class NoBase(Exception):
    """There is no such folder and no such revision."""


def documents_in(folder: Path) -> dict[str, bytes]:
    """Return the documents of a folder by name, `events/counter.changed.1.json`; none for one that is not there."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    named = {path.relative_to(folder).as_posix(): path for path in files}
    return {name: path.read_bytes() for name, path in named.items() if name not in _NOT_DERIVED}


def base_at(root: Path, against: str) -> Mapping[str, bytes]:
    """Return the documents at a folder, or at a revision (`main`, `v1.4`, `HEAD~3`) of the repository the project lies in."""
    folder = root / against
    if folder.is_dir():
        inner = folder / FOLDER
        return documents_in(inner if inner.is_dir() else folder)
    listed = _git(root, against, "ls-tree", "-r", "-z", "--name-only", against, "--", f"{FOLDER}/").decode()
    found = {}
    for path in filter(None, listed.split("\0")):
        name = path.removeprefix(f"{FOLDER}/")
        if name not in _NOT_DERIVED:
            found[name] = _git(root, against, "show", f"{against}:./{path}")
    return found


def _git(root: Path, against: str, *words: str) -> bytes:
    if against.startswith("-"):
        raise NoBase(f"{against!r} is no revision; write a branch, a tag or a folder")
    try:
        done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, timeout=_SECONDS_MAX, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoBase(f"git cannot be asked for {against!r} ({error}); name a folder with the released contracts/") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()[:1]
        raise NoBase(f"{against!r} is no folder and git has no such revision ({''.join(said)})")
    return done.stdout
