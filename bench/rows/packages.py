"""What a user must install: how many packages, how long it takes, how much disk."""

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.duel import Effort
from bench.result import Claim, Result, Series
from bench.targets import BIN, ROOT

__all__ = ["install", "packages"]

LOCK = ROOT / "locks" / "base.txt"
PACKAGES_MAX, SECONDS_MAX = 24, 10


def packages(_: Effort) -> Result:
    """Count the names in the lock file; markers of other platforms are counted too, so this is an upper bound."""
    result = Result("packages", "packages a user installs, at most", "packages")
    names = re.findall(r"^[A-Za-z0-9._-]+==", LOCK.read_text(), re.MULTILINE)
    result.series.append(Series("ours", [float(len(names))]))
    result.claims.append(Claim("packages", PACKAGES_MAX, len(names), at_most=True))
    return result


def install(effort: Effort) -> Result:
    """Install the lock into a fresh environment. Needs a package index; a second round finds the files in uv's cache."""
    result = Result("install", "locks/base.txt into a fresh environment", "s")
    cold, warm = Series("first round"), Series("files cached")
    result.series = [cold, warm]
    for series in (cold, *[warm] * max(effort.rounds - 1, 1)):
        with tempfile.TemporaryDirectory(dir=effort.data) as folder:
            try:
                seconds, count = _install(Path(folder))
            except (subprocess.CalledProcessError, OSError) as failed:
                series.missing = f"the installation failed: {failed}"
                return result
            series.values.append(seconds)
    result.notes.append(f"{count} packages on this platform; 'first round' is cold only if uv's cache was")
    result.claims.append(Claim("s to install", SECONDS_MAX, cold.median, at_most=True))
    result.claims.append(Claim("packages", PACKAGES_MAX, count, at_most=True))
    return result


def _install(folder: Path) -> tuple[float, int]:
    uv, started = str(BIN / "uv"), time.perf_counter()
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(folder / "venv")], check=True)
    python = str(folder / "venv" / "bin" / "python")
    command = [uv, "pip", "install", "--quiet", "--python", python, "--require-hashes", "-r", str(LOCK)]
    subprocess.run(command, check=True)
    seconds = time.perf_counter() - started
    listed = subprocess.run(
        [uv, "pip", "list", "--quiet", "--python", python, "--format", "freeze"], check=True, capture_output=True, text=True
    )
    return seconds, len(listed.stdout.split())
