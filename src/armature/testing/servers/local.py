"""What the local servers have in common: a folder, a port, a process tree that can be killed, paused and started again."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from armature.testing.processes import freeze, signal_tree
from armature.testing.servers.guard import PID

__all__ = ["LocalServer", "MissingServer", "free_port"]

_START_SECONDS_MAX = 60.0
_STOP_SECONDS_MAX = 30.0
_LOOK_SECONDS = 0.02
_ELSEWHERE = ("/usr/local/bin", "/usr/sbin", "/opt/homebrew/bin")


class MissingServer(Exception):
    """A server's program is not installed; the message says how to get it."""


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        port: int = door.getsockname()[1]
        return port


class LocalServer(ABC):
    """One server process. The port stays the same over restarts, and the store stays until `close`."""

    name: str
    user: str | None = None
    """Who it runs as when we are root; None: as we do."""

    def __init__(self, folder: Path | None = None, *, port: int = 0) -> None:
        self._temporary = None if folder else tempfile.mkdtemp(prefix=f"armature-{self.name}-")
        self.folder = Path(self._temporary) if self._temporary else Path(folder or "").absolute()
        self.port = port or free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._output: IO[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def store(self) -> Path:
        """The folder with the server's data."""
        return self.folder / "store"

    @property
    def log(self) -> str:
        """What the server printed so far."""
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def running(self) -> bool:
        """True while its first process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The first process."""
        if self._process is None:
            raise RuntimeError(f"{self.name} is not running")
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it answers."""
        if self.running:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        self._hand_over(self.folder)
        self._prepare()
        self._output = (self.folder / "log").open("ab")
        before = self._output.tell()
        self._process = subprocess.Popen(
            self.command(),
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            cwd=self.folder,
            start_new_session=True,
            user=self._user(),
            group=self._user(),
            extra_groups=[] if self._user() else None,
        )
        (self.folder / PID).write_text(f"{self._process.pid} {self.polite.value}")
        try:
            self._wait_for_answer(before)
        except BaseException:
            self.kill9()
            raise

    def stop(self) -> int | None:
        """Ask it to stop, and wait; return what it ended with, now or before: the negative number of a signal that killed it."""
        return self._end(self.polite)

    def kill9(self) -> None:
        """Kill its whole process tree, as a crash of the program would."""
        if self._process is not None:
            self._signal(signal.SIGKILL)
        self._end(None)

    def restart(self) -> None:
        """Stop it if it runs, and start it on the same port and store."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze it (SIGSTOP): connections stay open and nothing answers, from the moment that this returns."""
        freeze(self.pid)

    def resume(self) -> None:
        """Let a paused server go on."""
        self._signal(signal.SIGCONT)

    def keep(self, copy: Path) -> None:
        """Copy the store of a stopped server, to bring it back later as an older one."""
        if self.running:
            raise RuntimeError(f"stop {self.name} before its store is copied")
        shutil.copytree(self.store, copy)

    def roll_back(self, copy: Path) -> None:
        """Put an earlier copy in the store's place."""
        if self.running:
            raise RuntimeError(f"stop {self.name} before its store is replaced")
        shutil.rmtree(self.store)
        shutil.copytree(copy, self.store)
        for path in (self.store, *self.store.rglob("*")):
            self._hand_over(path)

    def close(self) -> None:
        """Kill it and throw its folder away, unless the folder was given."""
        with suppress(ProcessLookupError):
            self.kill9()
        if self._temporary:
            shutil.rmtree(self._temporary, ignore_errors=True)

    @abstractmethod
    def command(self) -> list[str]:
        """Return the command line that runs the server in the foreground."""

    @abstractmethod
    def answers(self) -> bool:
        """Say whether it can be used."""

    polite: signal.Signals = signal.SIGTERM

    def _prepare(self) -> None:
        """Make the store, where that takes more than a folder."""
        self.store.mkdir(exist_ok=True)

    def _wait_for_answer(self, before: int) -> None:
        """Raise what it printed behind `before` where it ends instead, or never answers."""
        until = time.monotonic() + _START_SECONDS_MAX
        while not self.answers():
            if not self.running or time.monotonic() > until:
                said = (self.folder / "log").read_bytes()[before:].decode(errors="replace")
                raise RuntimeError(f"{self.name} did not start on port {self.port}:\n{said[-2000:]}")
            time.sleep(_LOOK_SECONDS)

    def _program(self, name: str, cure: str) -> str:
        """Return where a program is; raise `MissingServer` with the cure when it is nowhere."""
        found = shutil.which(name) or next(
            (str(path) for folder in self._elsewhere() if (path := Path(folder) / name).exists()), None
        )
        if found is None:
            raise MissingServer(f"{name} is not installed; {cure}")
        return found

    def _elsewhere(self) -> tuple[str, ...]:
        """Folders beside PATH in which the program may be."""
        return _ELSEWHERE

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the server's, as the server's user."""
        user = self._user()
        return subprocess.run(
            words,
            text=True,
            capture_output=True,
            check=False,
            user=user,
            group=user,
            extra_groups=[] if user else None,
            cwd=self.folder,
        )

    def _user(self) -> str | None:
        return self.user if os.geteuid() == 0 else None

    def _hand_over(self, path: Path) -> None:
        user = self._user()
        if user is not None and not path.is_symlink():
            shutil.chown(path, user, user)

    def _end(self, how: signal.Signals | None) -> int | None:
        process = self._process
        if process is None:
            return None
        if how is not None and process.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(process.pid, how)
        try:
            process.wait(_STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            process.wait()
        self._process = None
        (self.folder / PID).unlink(missing_ok=True)
        if self._output is not None:
            self._output.close()
        return process.returncode

    def _signal(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        signal_tree(self._process.pid, number)
