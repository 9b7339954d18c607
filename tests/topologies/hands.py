"""Processes of a fleet started by hand: `armature run --process NAME`, one after the other, on servers of their own."""

import http.client
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import msgspec

from armature.runtime.model import load
from armature.testing.answer import Response
from armature.testing.prove.stage import Servers
from armature.testing.servers import LocalPostgres

__all__ = ["Hands", "Process", "until"]

SECONDS_MAX = 90.0
_LOOK_SECONDS = 0.02
_RUN = "from armature.cli.main import main; main()"
_LISTENS = re.compile(r"^Armature listens on http://127\.0\.0\.1:(\d+)", re.MULTILINE)


def until(true: Callable[[], bool], what: Callable[[], str]) -> None:
    """Return when something is so."""
    end = time.monotonic() + SECONDS_MAX
    while not true():
        assert time.monotonic() < end, f"not in {SECONDS_MAX:g} s: {what()}"
        time.sleep(_LOOK_SECONDS)


class Process:
    """One process; `launch` does not wait, `ready` does."""

    def __init__(self, root: Path, words: list[str], environ: dict[str, str]) -> None:
        self._output: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (the process writes into it until it ends)
        self._process = subprocess.Popen(
            [sys.executable, "-c", _RUN, "run", *words],
            cwd=root,
            env={**os.environ, **environ},
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )

    @property
    def pid(self) -> int:
        """Its id, which is in the names of the leases it holds."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """True while it runs."""
        return self._process.poll() is None

    @property
    def log(self) -> str:
        """What it printed."""
        return os.pread(self._output.fileno(), 1 << 20, 0).decode(errors="replace")

    @property
    def port(self) -> int:
        """Where it answers, 0 before it listens."""
        found = _LISTENS.search(self.log)
        return int(found.group(1)) if found else 0

    def ready(self) -> Self:
        """Wait until it says so itself."""

        def ready() -> bool:
            assert self.alive, self.log
            try:
                return bool(self.port) and self.ask("GET", "/readyz").status == 200
            except (OSError, http.client.HTTPException):
                return False

        until(ready, lambda: f"the process is ready; it said:\n{self.log}")
        return self

    def ask(self, method: str, path: str, json: Any = msgspec.UNSET, **headers: str) -> Response:
        """Send a request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        body = None if json is msgspec.UNSET else msgspec.json.encode(json)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, path, body, {"content-type": "application/json", **named})
            answer = connection.getresponse()
            return Response(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def end(self, how: signal.Signals) -> int:
        """Send it a signal and wait for its end."""
        self._process.send_signal(how)
        code = self._process.wait(SECONDS_MAX)
        self._output.close()
        return code


class Hands:
    """`with Hands(root, "fleet") as hands:` has the servers of a topology; processes are started one by one."""

    def __init__(self, root: Path, topology: str, environ: dict[str, str] | None = None) -> None:
        self.processes: list[Process] = []
        self._root = root
        self._topology = topology
        self._environ = dict(environ or {})
        self._servers = Servers()
        self._data = tempfile.TemporaryDirectory(prefix="armature-hands-", ignore_cleanup_errors=True)

    def __enter__(self) -> Self:
        model = load(self._root, topology=self._topology, environment=None, environ={})
        try:
            self._environ |= self._servers.environ(model)
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._close()

    def launch(self, name: str) -> Process:
        """Start a process of the topology."""
        words = ["--topology", self._topology, "--process", name, "--port", "0", "--data", self._data.name]
        self.processes.append(Process(self._root, words, self._environ))
        return self.processes[-1]

    def sql(self, text: str) -> str:
        """Ask the database behind everybody's back."""
        server = self._servers._kept["postgres"]
        assert isinstance(server, LocalPostgres)
        return server.sql(text, self._environ["ARMATURE_POSTGRES_URL"].rpartition("/")[2])

    def _close(self) -> None:
        for process in self.processes:
            if process.alive:
                process.end(signal.SIGKILL)
        self._servers.close()
        self._data.cleanup()
