"""What one more module costs at start-up: projects from the scaffold, without and with twenty modules of one table each."""

import subprocess
import tempfile
from pathlib import Path

import msgspec

from bench.duel import Effort
from bench.result import Result, Series
from bench.serve import NotThere, Server, pinned
from bench.targets import BIN, OURS

__all__ = ["growth"]

# Enough that the sum stands out of the noise of a start; the scaffold's module has create, read, update and delete.
MODULES = 20
OPERATIONS = 4


def growth(effort: Effort) -> Result:
    result = Result("growth", f"start to ready with {MODULES} more modules", "ms")
    bare, full = Series("ours, no module more"), Series(f"ours, {MODULES} modules more")
    result.series = [bare, full]
    with tempfile.TemporaryDirectory(dir=effort.data) as folder:
        try:
            projects = [(bare, _project(Path(folder), "bare", 0)), (full, _project(Path(folder), "full", MODULES))]
            for _ in range(effort.rounds):
                for series, project in projects:
                    series.values.append(_start(project, effort))
        except NotThere as missing:
            bare.missing = full.missing = str(missing)
            return result
    each = (full.median - bare.median) / MODULES
    result.notes.append(
        f"one more module: {each:.1f} ms; an operation of it, its share of the module included: {each / OPERATIONS:.2f} ms"
    )
    return result


def _project(folder: Path, name: str, modules: int) -> Path:
    _armature(folder, "new", "project", name)
    for n in range(modules):
        _armature(folder / name, "new", "module", f"extra{n:02}", "--table", "name:text value:bigint")
    return folder / name


def _armature(folder: Path, *arguments: str) -> None:
    try:
        with pinned(0):
            done = subprocess.run([str(BIN / "armature"), *arguments], cwd=folder, capture_output=True, text=True)
    except OSError as missing:
        raise NotThere(f"armature cannot be started: {missing.strerror}") from missing
    if done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines()
        raise NotThere(f"armature {' '.join(arguments[:2])}: {words[-1][:120] if words else 'failed without a word'}")


def _start(project: Path, effort: Effort) -> float:
    with (
        tempfile.TemporaryDirectory(dir=effort.data) as data,
        Server(msgspec.structs.replace(OURS, project=project), Path(data)) as server,
    ):
        return server.ready_seconds * 1_000
