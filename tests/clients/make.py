"""Packages made for tests: written into a folder, imported, compiled."""

import fcntl
import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from armature.clients.output import Package, write
from armature.clients.python import python_package
from armature.clients.reading import read_surface
from armature.clients.typescript import typescript_package

__all__ = ["ROOT", "TYPESCRIPT", "compiler", "imported", "python_client", "run", "typescript_client"]

ROOT = Path(__file__).parents[2]
PREFIX = "/v{version}"
TYPESCRIPT = "5.9.3"


def python_client(contracts: Sequence[type], name: str = "made_client") -> Package:
    """The Python package of the contracts."""
    return python_package(read_surface(contracts, PREFIX), name, "1.0.0")


def typescript_client(contracts: Sequence[type], name: str = "made-client") -> Package:
    """The TypeScript package of the contracts."""
    return typescript_package(read_surface(contracts, PREFIX), name, "1.0.0")


def imported(package: Package, folder: Path, name: str) -> ModuleType:
    """Write a Python package and import it; `name` is new in this process."""
    write(package, folder)
    sys.path.insert(0, str(folder / "src"))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(folder / "src"))


def run(command: Sequence[str | Path], folder: Path, **environ: str) -> tuple[int, str]:
    """Run a program to its end; returns its exit code and all it said."""
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **environ}, capture_output=True, text=True, timeout=240, check=False
    )
    return done.returncode, done.stdout + done.stderr


def compiler(cache: Path) -> Path:
    """The TypeScript compiler, installed once into a folder that outlives the run."""
    found = cache / TYPESCRIPT / "node_modules" / "typescript" / "bin" / "tsc"
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise AssertionError("these tests need Node 20 or newer with npm on the PATH: install the packages nodejs and npm")
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # workers of one run install into one folder
        if not found.exists():
            command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(cache / TYPESCRIPT)]
            code, said = run([*command, f"typescript@{TYPESCRIPT}"], cache)
            if code != 0:
                raise AssertionError(f"npm could not install typescript@{TYPESCRIPT}; a registry must be in reach:\n{said}")
    return found
