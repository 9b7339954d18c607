"""A whole topology under its supervisor, on servers that a test may break: the modules that ship, and others for tests."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.error import HTTPError
from urllib.request import urlopen

from msgspec import Struct

from armature.testing.processes import descendants

from .fleet import Breakable
from .server import PROJECT, until

__all__ = ["Door", "Supervised", "addresses", "all_gone", "build", "doctor_says", "ready"]

_MAIN = "from armature.cli.main import main; main()"
_READY = "Stop with Ctrl-C."
_API = re.compile(r"^\s+API\s+http://[^:\s]+:(\d+)\S*\s+\((\S+)\)", re.MULTILINE)
_HEALTH = re.compile(r"^\s+health\s+http://[^:\s]+:(\d+)\S*\s+\((\S+)\)", re.MULTILINE)
_LISTENS = re.compile(r"listens on (http://\S+) after")
_MORE = Path(__file__).parents[1] / "modules"


class Door(Struct, frozen=True):
    """Where one process of the fleet answers."""

    port: int


def build(folder: Path, *more: str, topology: str = "fleet") -> Path:
    """Write a project with one topology into a folder whose name becomes that of the installation; `more` are modules of
    `tests/faults/modules` beside those that ship. Return its root."""
    (folder / "modules").mkdir(parents=True, exist_ok=True)
    shipped = [path.parent for path in (PROJECT / "modules").glob("*/module.yaml")]
    for module in (*shipped, *(_MORE / name for name in more)):
        (folder / "modules" / module.name).symlink_to(module, target_is_directory=True)
    for part in ("environments", "topologies"):
        (folder / "platform" / part).mkdir(parents=True, exist_ok=True)
    for path in (PROJECT / "platform/environments").glob("*.yaml"):
        (folder / "platform/environments" / path.name).write_text(path.read_text())
    (folder / "platform/policies.yaml").write_text((PROJECT / "platform/policies.yaml").read_text())
    (folder / f"platform/topologies/{topology}.yaml").write_text((PROJECT / f"platform/topologies/{topology}.yaml").read_text())
    return folder


class Supervised:
    """`armature run --topology …` of a project; `environ` are addresses and policies without their prefix."""

    def __init__(self, project: Path, data: Path, *, topology: str = "fleet", **environ: str) -> None:
        self.data = data
        self.project = project
        self.topology = topology
        self.environ: Mapping[str, str] = {**os.environ, **{f"ARMATURE_{name}": value for name, value in environ.items()}}
        self._file = data.parent / f"{data.name}.supervised.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._since = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                for pid in (*descendants(self._process.pid), self._process.pid):
                    os.kill(pid, signal.SIGKILL)
                self._process.wait()

    @property
    def log(self) -> str:
        """What it printed since its last start."""
        return self._file.read_bytes()[self._since :].decode(errors="replace") if self._file.exists() else ""

    @property
    def doors(self) -> list[Door]:
        """The processes that take requests."""
        return [Door(int(port)) for port, _ in _API.findall(self.log)]

    def start(self, *, ready: bool = True) -> None:
        """Start all processes; return when all are ready, or at once."""
        self._since = self._file.stat().st_size if self._file.exists() else 0
        words = ["run", "--topology", self.topology, "--port", "0", "--data", str(self.data)]
        with self._file.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _MAIN, *words], cwd=self.project, env=self.environ, stdout=log, stderr=log
            )
        if ready:
            until(lambda: self.ended or _READY in self.log, f"not all processes are ready, see {self._file}")
            assert not self.ended, self.log[-3_000:]

    @property
    def ended(self) -> bool:
        """Whether the supervisor has ended."""
        return self._process is None or self._process.poll() is not None

    def pids(self) -> list[int]:
        """Return the supervisor and every process below it."""
        assert self._process is not None
        return [self._process.pid, *descendants(self._process.pid)]

    def health(self, name: str) -> int:
        """Return the port at which a process tells its health."""
        found = {who: int(port) for port, who in (*_HEALTH.findall(self.log), *_API.findall(self.log))}
        return found[name]

    def asked_everywhere(self) -> list[str]:
        """Return what each process says at /readyz, also while not all are ready."""
        said = []
        for address in _LISTENS.findall(self.log):
            try:
                with urlopen(f"{address}/readyz", timeout=10) as answer:
                    said.append(answer.read().decode())
            except HTTPError as refused:
                said.append(refused.read().decode())
            except OSError:
                continue
        return said

    def ask_to_leave(self) -> None:
        """Send SIGTERM to the supervisor alone."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        """Return how it ended."""
        assert self._process is not None
        return self._process.wait(90)

    def command(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run another command of the same project against the same servers."""
        more = ["--topology", self.topology, "--data", str(self.data)]
        return subprocess.run(
            [sys.executable, "-c", _MAIN, *words, *more],
            cwd=self.project,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


def addresses(servers: Breakable, database: str) -> dict[str, str]:
    """Return the variables that lead to the servers and a database."""
    return {
        "POSTGRES_URL": servers.postgres.url(database),
        "NATS_URL": servers.nats.url,
        "REDIS_URL": servers.redis.url,
    }


def doctor_says(fleet: Supervised, *, code: int = 0) -> str:
    """Return what the doctor says, as soon as it has seen everything: servers have three seconds to answer it."""
    seen = fleet.command("doctor")
    for _ in range(10):
        if "migrations:" in seen.stdout:
            break
        seen = fleet.command("doctor")
    assert seen.returncode >= code, seen.stdout
    return seen.stdout


def ready(door: Door) -> bool:
    """Whether a process says that requests may come."""
    try:
        with urlopen(f"http://127.0.0.1:{door.port}/readyz", timeout=10) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def all_gone(pids: Sequence[int]) -> bool:
    """Whether none of these processes runs any more."""
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)
