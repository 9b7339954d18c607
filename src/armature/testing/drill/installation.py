"""A fresh installation of a topology as the drill runs it: own servers, the real `armature run`, and parts that can be killed."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from http.client import HTTPException
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Self
from urllib.request import urlopen

from armature.runtime.model import Model
from armature.testing.processes import descendants
from armature.testing.servers import LocalNats, LocalPostgres, LocalRedis, LocalServer

__all__ = ["Installation", "Part"]

_RUN = "from armature.cli.main import main; main()"
_READY = re.compile(r"^\s+API\s+http://[^:\s]+:(\d+)", re.MULTILINE)
_DOOR = re.compile(r"^\s+(?:API|health)\s+http://[^:\s]+:(\d+)\S*\s+\(([^)\s]+)\)", re.MULTILINE)
_ASK_SECONDS = 2.0
_START_SECONDS_MAX = 90.0
_STOP_SECONDS_MAX = 40.0
_LOOK_SECONDS = 0.05
_SERVERS: Mapping[str, Any] = {"postgres": LocalPostgres, "nats": LocalNats, "redis": LocalRedis}


class Part:
    """Something that is killed. `kill` says whether there was anything to kill; `mend` brings back what nobody else does;
    `up` says whether all of it works (again).
    """

    def __init__(self, name: str, kill: Callable[[], bool], mend: Callable[[], None], up: Callable[[], bool]) -> None:
        self.name = name
        self.kills = 0
        self._kill = kill
        self.mend = mend
        self.up = up

    def kill(self) -> bool:
        """Kill it with -9; count it only when it was there."""
        killed = self._kill()
        self.kills += killed
        return killed


class Installation:
    """`with Installation(model, environ) as found:` runs the topology until the block ends; everything is thrown away."""

    def __init__(self, model: Model, environ: Mapping[str, str], dice: Random) -> None:
        self.model = model
        self.ports: list[int] = []
        self._doors: dict[str, int] = {}
        self.servers: dict[str, LocalServer] = {}
        self._environ = dict(environ)
        self._dice = dice
        self._folder = tempfile.TemporaryDirectory(prefix="armature-drill-", ignore_cleanup_errors=True)
        self.folder = Path(self._folder.name)
        # As root a PostgreSQL runs as another user, who must be able to reach its own folder in here.
        self.folder.chmod(0o711)
        self._process: subprocess.Popen[bytes] | None = None
        self._supervised = sum(spec.replicas for spec in model.topology.processes.values()) > 1

    def __enter__(self) -> Self:
        try:
            self._start_servers()
            self._start("0")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def log(self) -> str:
        """What the system printed so far."""
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def database(self) -> Path:
        """The database file, where there is one."""
        return self.folder / "data" / "armature.db"

    @property
    def environ(self) -> Mapping[str, str]:
        """The variables the system runs with, addresses of the servers included."""
        return {**os.environ, **self._environ}

    def parts(self) -> list[Part]:
        """Return what can be killed: each kind of process, and each server."""
        found = [
            Part(name, partial(self._kill_process, name), self._mend_process, partial(self._is_up, name))
            for name in self._names()
        ]
        found += [
            Part(name, partial(_kill_server, server), server.start, server.answers) for name, server in self.servers.items()
        ]
        return found

    def close(self) -> None:
        """Stop the system, then the servers; nothing is left running."""
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.terminate()
            try:
                process.wait(_STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                for pid in (*descendants(process.pid), process.pid):
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                process.wait()
        for server in self.servers.values():
            server.close()
        self._folder.cleanup()

    def _names(self) -> Iterator[str]:
        yield from self.model.topology.processes

    def _start_servers(self) -> None:
        environment = self.model.environment
        for port in ("database", "bus", "signal", "cache", "limiter"):
            binding = getattr(environment, port)
            reference = getattr(binding, "url", None) or ""
            if not reference.startswith("env:") or reference[4:] in self._environ:
                continue
            if binding.adapter not in self.servers:
                server = self.servers[binding.adapter] = _SERVERS[binding.adapter](self.folder / binding.adapter)
                server.start()
            server = self.servers[binding.adapter]
            self._environ[reference[4:]] = _address(server)

    def _start(self, port: str) -> None:
        words = ["run", "--topology", self.model.topology.name, "--environment", self.model.environment.name]
        words += ["--data", str(self.folder / "data"), "--port", port]
        before = len(self.log)
        with (self.folder / "log").open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _RUN, *words],
                cwd=self.model.root,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        until = time.monotonic() + _START_SECONDS_MAX
        while "Stop with Ctrl-C." not in self.log[before:]:
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the system did not start:\n{self.log[before:][-3000:]}")
            time.sleep(_LOOK_SECONDS)
        self.ports = [int(found) for found in _READY.findall(self.log[before:])]
        self._doors = {name: int(port) for port, name in _DOOR.findall(self.log[before:])}

    def _is_up(self, name: str) -> bool:
        """Whether every replica of a process says that it is ready."""
        ports = [port for child, port in self._doors.items() if child.partition(".")[0] == name] or self.ports
        return all(_ready(port) for port in ports)

    def _kill_process(self, name: str) -> bool:
        process = self._process
        if process is None or process.poll() is not None:
            return False
        pids = [process.pid]
        if self._supervised:
            pids = [pid for pid in descendants(process.pid) if _plays(pid, name)]
        if not pids:
            return False
        try:
            os.kill(self._dice.choice(sorted(pids)), signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True

    def _mend_process(self) -> None:
        """A supervisor starts its children again by itself; a lone process is started by us, on its port."""
        if not self._supervised and self._process is not None:
            self._process.wait()
            self._start(str(self.ports[0]))


def _ready(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=_ASK_SECONDS) as answer:
            return bool(answer.status == 200)
    except (OSError, HTTPException):
        return False


def _kill_server(server: LocalServer) -> bool:
    if not server.running:
        return False
    server.kill9()
    return True


def _address(server: Any) -> str:
    return str(server.create_database("drill") if isinstance(server, LocalPostgres) else server.url)


def _plays(pid: int, name: str) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"--process" in words and words[words.index(b"--process") + 1] == name.encode()
