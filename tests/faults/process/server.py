"""`armature run` as a process that can be killed, asked to leave, and started again on the same data and port."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.error import HTTPError
from urllib.request import Request, urlopen

__all__ = ["PROJECT", "Server", "until"]

PROJECT = Path(__file__).parents[3]
PATIENCE_SECONDS = 60.0
"""Only a hang takes so long."""
_MAIN = "from armature.cli.main import main; main()"


class Server:
    """One system on one data folder. `crash` names a place and its passing; `policies` are `SECTION__KEY` values, `words` more
    of the command line (`--topology`, `fleet`)."""

    def __init__(self, data: Path, *, project: Path = PROJECT, words: Sequence[str] = (), **policies: str) -> None:
        self.data = data
        self.database = data / "armature.db"
        self.port = _quiet_port()
        self.log = data.parent / f"{data.name}.log"
        self._project = project
        self._words = list(words)
        self._environ = {f"ARMATURE_{name}": value for name, value in policies.items()}
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def start(self, crash: str = "", *, port: int | None = None) -> None:
        """Start and return when it is ready; one that dies at its crash point before that is left dead."""
        self.port = port or self.port
        command = [sys.executable, "-c", _MAIN, "run", "--port", str(self.port), "--data", str(self.data), *self._words]
        environ = {**os.environ, **self._environ, **({"ARMATURE_CRASH": crash} if crash else {})}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, cwd=self._project, env=environ, stdout=log, stderr=log)
        until(lambda: self.dead or self.ready, f"the server is not ready, see {self.log}")
        if self.dead and not crash:
            raise AssertionError(f"the server did not start:\n{self.log.read_text()[-2_000:]}")

    @property
    def dead(self) -> bool:
        """Whether the process has ended."""
        return self.process is None or self.process.poll() is not None

    @property
    def ready(self) -> bool:
        """Whether the process says that it can serve."""
        return self.get("/readyz")[0] == 200

    def kill(self) -> None:
        """End it as a power cut of the process would: no handler runs."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def ask_to_leave(self) -> None:
        """Send SIGTERM."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        """Return how it ended."""
        assert self.process is not None
        return self.process.wait(PATIENCE_SECONDS)

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
        """Ask something; status 0 when nobody answers."""
        try:
            with urlopen(Request(f"http://127.0.0.1:{self.port}{path}", headers=dict(headers or {})), timeout=10) as answer:
                return answer.status, answer.read()
        except HTTPError as refused:
            return refused.code, refused.read()
        except OSError:
            return 0, b""


def until(true: object, otherwise: str) -> None:
    """Poll a condition; patience is generous, because only a hang ends it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():  # type: ignore[operator]
        if time.monotonic() > deadline:
            raise AssertionError(otherwise)
        time.sleep(0.01)


def _quiet_port() -> int:
    """Return a free port below those that the system gives out, so that a restart finds it free again."""
    while True:
        port = random.randrange(12_000, 30_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
