"""Why uvloop is held at one version: the limit on the installed one and on another, in turn.

Needs a package index: the other version goes into a throw-away folder that only one contestant sees.
"""

import subprocess
import sys
import tempfile
from importlib.metadata import version

import msgspec

from bench.duel import Effort, duel
from bench.result import Result, Series
from bench.targets import BIN, LIMIT

__all__ = ["loops"]

OTHER = "0.23.0"


def loops(effort: Effort) -> Result:
    held = version("uvloop")
    result = Result("loops", f"uvloop {held} against {OTHER}: the limit, read by id", "req/s")
    with tempfile.TemporaryDirectory(dir=effort.data) as folder:
        command = [str(BIN / "uv"), "pip", "install", "--quiet", "--python", sys.executable, "--no-deps"]
        try:
            subprocess.run([*command, "--target", folder, f"uvloop=={OTHER}"], check=True, capture_output=True)
        except (subprocess.CalledProcessError, OSError) as failed:
            result.series.append(Series(f"uvloop {OTHER}", missing=f"it could not be installed: {failed}"))
            return result
        other = msgspec.structs.replace(LIMIT, name=f"uvloop {OTHER}", environment=(("PYTHONPATH", folder),))
        duel(result, [LIMIT, other], effort, kind="read", counters=100)
    here, there = result.of("limit"), result.of(f"uvloop {OTHER}")
    if here and there:
        result.notes.append(f"uvloop {held} answers {here.median / there.median:.2f} x as many as {OTHER}")
    return result
