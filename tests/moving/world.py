"""The project's command line in a process of its own, and what both sides of a promotion hold."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from armature.runtime.process import project_root

ROOT = project_root(Path(__file__).parent)
_CLI = "from armature.cli.main import main; main()"


def armature(*words: str, crash: str = "", environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command; `crash` names a place to die at."""
    variables = {**os.environ, **(environ or {}), **({"ARMATURE_CRASH": crash} if crash else {})}
    command = [sys.executable, "-c", _CLI, *words]
    return subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=240, check=False)
