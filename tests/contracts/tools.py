"""Judges from outside, out of the npm registry, kept in a folder that git ignores: buf, and the schemas of AsyncAPI."""

import fcntl
import shutil
import subprocess
from pathlib import Path

__all__ = ["ROOT", "installed"]

ROOT = Path(__file__).parents[2]
_CACHE = ROOT / "data" / ".cache" / "npm"
_SECONDS_MAX = 240


def installed(package: str, version: str, file: str) -> Path:
    """Return a file of an npm package, which is installed once: `@bufbuild/buf`, `1.75.0`, `node_modules/.bin/buf`."""
    folder = _CACHE / f"{package.strip('@').replace('/', '-')}-{version}"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = folder / file
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two tests at once install it once
        if not wanted.exists():
            npm = shutil.which("npm")
            assert npm, (
                f"install Node.js with npm 10 or newer (apt install npm), or put {file} of {package}@{version} into {folder}"
            )
            command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", f"{package}@{version}"]
            (folder / "package.json").write_text("{}\n")
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_SECONDS_MAX, check=False)
            assert done.returncode == 0, f"{' '.join(command)} in {folder}: {done.stderr[-2_000:]}"
    assert wanted.exists(), f"{package}@{version} has no {file}; look into {folder}"
    return wanted
