"""A real `armature run` in a process of its own, on a free port and a throw-away data folder: what can be killed with -9.

with RunningServer(Path(".")) as server:
    made = server.post("/v1/counters", json={"name": "visits"})
    server.kill9()
    server.restart()
    assert server.get(made.headers["location"]).json() == made.json()
"""

import http.client
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self
from urllib.parse import urlsplit

import msgspec

from armature.testing.answer import Response

__all__ = ["RunningServer"]

_START_SECONDS_MAX = 60.0
_STOP_SECONDS_MAX = 30.0
_LOOK_SECONDS = 0.02
# One process says where it listens; a supervisor of several, where each is.
_LISTENS = re.compile(r"^(?:Armature listens on|  API)\s+(http://[^/\s]+)", re.MULTILINE)
_RUN = "from armature.cli.main import main; main(['run', *__import__('sys').argv[1:]])"


class RunningServer:
    """A server of the project at `root`; `environ` is added to this process's variables (policies, `ARMATURE_CRASH`).

    `words` are more options of `armature run`. It keeps its port over restarts, as a real one does. What it prints is in `log`.
    """

    def __init__(
        self,
        root: Path,
        *,
        data: Path | None = None,
        environ: Mapping[str, str] | None = None,
        port: int = 0,
        words: Sequence[str] = (),
    ) -> None:
        self.url = ""
        self.environ = dict(environ or {})
        self._root = root
        self._temporary = None if data else tempfile.TemporaryDirectory(prefix="armature-server-", ignore_cleanup_errors=True)
        self.data = data or Path(self._temporary.name if self._temporary else "")
        self._port = port
        self._words = tuple(words)
        self._process: subprocess.Popen[bytes] | None = None
        self._output: IO[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def start(self) -> None:
        """Start it and wait until it is ready; a server that does not become ready fails the test with what it said."""
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Start it without waiting."""
        if self._process is not None and self._process.poll() is None:
            raise RuntimeError("the server runs already; stop it first with sigterm() or kill9()")
        self._forget()
        self.data.mkdir(parents=True, exist_ok=True)
        self._output = tempfile.TemporaryFile()  # noqa: SIM115  (the process writes into it until it ends)
        self._process = subprocess.Popen(
            [sys.executable, "-c", _RUN, "--port", str(self._port), "--data", str(self.data), *self._words],
            cwd=self._root,
            env={**os.environ, **self.environ},
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )

    def wait_ready(self) -> None:
        """Wait until /readyz answers 200."""
        until = time.monotonic() + _START_SECONDS_MAX
        while not self._is_ready():
            if self.exit_code is not None:
                raise AssertionError(f"the server ended with {self.exit_code} before it was ready; it said:\n{self.log}")
            if time.monotonic() > until:
                raise AssertionError(f"the server was not ready in {_START_SECONDS_MAX:g} s; it said:\n{self.log}")
            time.sleep(_LOOK_SECONDS)

    def kill9(self) -> None:
        """Kill it as a power cut would kill a process, and wait until it is gone."""
        self._signal(signal.SIGKILL)

    def sigterm(self) -> int:
        """Ask it to stop, wait until it has drained, and return its exit code."""
        return self._signal(signal.SIGTERM)

    def wait_dead(self) -> int:
        """Wait for it to end by itself (at a crash point) and return its exit code."""
        process = self._running()
        try:
            return process.wait(_START_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the server still runs after {_START_SECONDS_MAX:g} s; it said:\n{self.log}") from None

    def restart(self, environ: Mapping[str, str] | None = None) -> None:
        """Start it again on the same data and port, stopping it first if it runs; `environ` replaces the variables given."""
        if self.exit_code is None and self._process is not None:
            self.sigterm()
        if environ is not None:
            self.environ = dict(environ)
        self.start()

    def close(self) -> None:
        """End it and throw its data away."""
        if self._process is not None and self._process.poll() is None:
            self.kill9()
        self._forget()
        if self._temporary is not None:
            self._temporary.cleanup()

    @property
    def exit_code(self) -> int | None:
        """How it ended; None while it runs or before it was started."""
        return None if self._process is None else self._process.poll()

    @property
    def log(self) -> str:
        """Everything it printed since its last start."""
        if self._output is None:
            return ""
        # pread: the process shares the file's place and goes on writing at its end.
        return os.pread(self._output.fileno(), os.fstat(self._output.fileno()).st_size, 0).decode(errors="replace")

    def get(self, path: str, *, headers: Mapping[str, str] | None = None) -> Response:
        """Read over a real connection."""
        return self.request("GET", path, headers=headers)

    def post(self, path: str, *, json: Any = msgspec.UNSET, headers: Mapping[str, str] | None = None) -> Response:
        """Create or do, over a real connection."""
        body = b"" if json is msgspec.UNSET else msgspec.json.encode(json)
        named = {"content-type": "application/json", **(headers or {})} if body else headers
        return self.request("POST", path, body=body, headers=named)

    def request(self, method: str, path: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Response:
        """Send exactly this over a connection of its own; a connection that breaks raises OSError or HTTPException."""
        address = urlsplit(self.url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=_STOP_SECONDS_MAX)
        try:
            connection.request(method, path, body=body or None, headers=dict(headers or {}))
            answer = connection.getresponse()
            return Response(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def _is_ready(self) -> bool:
        found = _LISTENS.search(self.log)
        if found is None:
            return False
        self.url = found.group(1)
        self._port = urlsplit(self.url).port or 0
        try:
            return self.get("/readyz").status == 200
        except (OSError, http.client.HTTPException):
            return False

    def _signal(self, number: signal.Signals) -> int:
        process = self._running()
        process.send_signal(number)
        try:
            return process.wait(_STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(
                f"the server did not end within {_STOP_SECONDS_MAX:g} s of {number.name}; it said:\n{self.log}"
            ) from None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("the server was not started; call start()")
        return self._process

    def _forget(self) -> None:
        if self._output is not None:
            self._output.close()
            self._output = None
        self._process = None
