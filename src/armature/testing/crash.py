"""Killing a real process at a named place, and starting real ones that can be killed at any.

    said = crash_at("commit.written:2", [sys.executable, "-m", "shop.load", str(data)])
    assert "acknowledged 1" in said.out

The names are `armature.engine.crash.CRASH_POINTS`; `:2` is the second passing. A process that ends otherwise than by the
kill fails the test: a crash test whose crash never happened proves nothing.
"""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from armature.engine.crash import CRASH_POINTS

__all__ = ["CRASH_POINTS", "CRASH_VARIABLE", "LastWords", "crash_at"]

CRASH_VARIABLE = "ARMATURE_CRASH"


class LastWords(Struct, frozen=True):
    """What a process printed before it died."""

    out: str
    err: str


def crash_at(
    point: str,
    command: Sequence[str],
    *,
    cwd: Path | None = None,
    environ: Mapping[str, str] | None = None,
    timeout_seconds: float = 60.0,
) -> LastWords:
    """Run `command` until it dies at `point`; `environ` is added to this process's variables."""
    variables = {**os.environ, **(environ or {}), CRASH_VARIABLE: point}
    with subprocess.Popen(command, cwd=cwd, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            out, err = process.communicate(timeout=timeout_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError(f"{point} was not passed in {timeout_seconds:g} s; it said: {out}{err}") from None
    if process.returncode != -signal.SIGKILL:
        raise AssertionError(f"{point} was never passed; the process ended with {process.returncode} and said: {out}{err}")
    return LastWords(out, err)
