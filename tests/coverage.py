"""How much of each layer the in-process tests reach, and where that is not enough.

A layer passes when its lines *and* its branches reach the gate: a file without an `if` has no branches to count.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["LAYERS", "Layer", "Reach", "combine", "configuration", "reach"]


class Layer(NamedTuple):
    """A part of the code and the least per cent of it that tests must reach; None: it is only printed."""

    name: str
    pattern: str
    gate: int | None


class Reach(NamedTuple):
    """What was reached of a layer, in per cent."""

    layer: Layer
    files: int
    lines: float
    branches: float

    @property
    def enough(self) -> bool:
        """A gated layer without files was not measured, which is no pass."""
        gate = self.layer.gate
        return gate is None or (self.files > 0 and self.lines >= gate and self.branches >= gate)

    def __str__(self) -> str:
        gate = f"gate {self.layer.gate} %" if self.layer.gate is not None else ""
        verdict = "" if self.enough else "  TOO LITTLE"
        return f"  {self.layer.name:<12} lines {self.lines:5.1f} %   branches {self.branches:5.1f} %   {gate}{verdict}".rstrip()


LAYERS = (
    Layer("service", "modules/*/service*", 90),
    Layer("repository", "modules/*/repository*", 80),
    Layer("edges", "src/armature/edges/*", 75),
    Layer("domain", "modules/*/domain*", None),
    Layer("projections", "modules/*/projections*", None),
    Layer("kernel", "src/armature/kernel/*", None),
    Layer("engine", "src/armature/engine/*", None),
    Layer("adapters", "src/armature/adapters/*", None),
    Layer("clients", "src/armature/clients/*", None),
    Layer("runtime", "src/armature/runtime/*", None),
    Layer("checks", "src/armature/checks/*", None),
    Layer("cli", "src/armature/cli/*", None),
)


def configuration(folder: Path, root: Path) -> Path:
    """Write what coverage reads: branches, one data file for each process, our own code only."""
    path = folder / "coverage.ini"
    path.write_text(
        f"[run]\nbranch = true\nparallel = true\ndata_file = {folder / 'coverage'}\n"
        f"source =\n    {root / 'src'}\n    {root / 'modules'}\nomit =\n    */tests/*\n"
    )
    return path


def combine(folder: Path, root: Path) -> Mapping[str, Any]:
    """Put the processes' data together; returns coverage's report by file."""
    settings = f"--rcfile={folder / 'coverage.ini'}"
    report = folder / "coverage.json"
    for words in (["combine", "--quiet", settings], ["json", "--quiet", settings, "-o", str(report)]):
        done = subprocess.run([sys.executable, "-m", "coverage", *words], cwd=root, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"coverage {words[0]} failed: {(done.stdout + done.stderr).strip()}")
    files: Mapping[str, Any] = json.loads(report.read_text())["files"]
    return files


def reach(files: Mapping[str, Any], layers: tuple[Layer, ...] = LAYERS) -> Iterator[Reach]:
    """Return the reach of each layer."""
    for layer in layers:
        found = [entry["summary"] for name, entry in files.items() if fnmatch(name, layer.pattern)]
        lines = _per_cent(found, "covered_lines", "num_statements")
        yield Reach(layer, len(found), lines, _per_cent(found, "covered_branches", "num_branches"))


def _per_cent(found: list[Any], part: str, whole: str) -> float:
    total = sum(one[whole] for one in found)
    return 100.0 * sum(one[part] for one in found) / total if total else 100.0
