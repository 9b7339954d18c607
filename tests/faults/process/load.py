"""A driver process as a test holds it, and the counters it moves."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol
from urllib.request import Request, urlopen

import msgspec

from armature.testing.history import Happened, read_history

from .server import PROJECT, until

__all__ = ["Answers", "Load", "create", "driving"]


class Answers(Protocol):
    """Whoever answers requests at a port of this machine."""

    @property
    def port(self) -> int:
        """The port."""
        ...


class Load:
    """Callers at work."""

    def __init__(self, process: subprocess.Popen[bytes], file: Path) -> None:
        self._process = process
        self._file = file

    @property
    def alive(self) -> bool:
        """Whether the callers still call."""
        return self._process.poll() is None

    def seen(self) -> list[Happened]:
        """Return what has been written so far, whole lines only."""
        return read_history(self._file) if self._file.exists() else []

    def told(self, what: str) -> int:
        """Return how many lines of a kind there are."""
        return self._file.read_bytes().count(b'{"what":"%s"' % what.encode()) if self._file.exists() else 0

    def goes_on(self, count: int) -> None:
        """Return when so many more were acknowledged."""
        goal = self.told("ok") + count
        until(lambda: self.told("ok") >= goal, f"{count} more acknowledgements never come")

    def end(self) -> list[Happened]:
        """Let every caller finish; return the whole history."""
        _, trouble = self._process.communicate(timeout=60)
        assert self._process.returncode == 0, trouble.decode()
        return read_history(self._file)


@contextmanager
def driving(
    server: Answers, file: Path, story: str, counters: Sequence[str], *, clients: int = 8, seed: int = 1
) -> Iterator[Load]:
    """Start callers, and end them whatever happens."""
    words = [str(server.port), str(file), story, str(clients), str(seed), ",".join(counters)]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.process.driver", *words],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield Load(process, file)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def create(server: Answers, count: int, value: int = 0, first: int = 0) -> list[str]:
    """Create counters through the front door, called c0, c1 and so on, or from another `first` on; return their ids."""
    made = []
    for n in range(first, first + count):
        identity = _post(server, "/v1/counters", {"name": f"c{n}"})["id"]
        if value:
            _post(server, f"/v1/counters/{identity}/increment", {"by": value})
        made.append(str(identity))
    return made


def _post(server: Answers, path: str, body: object) -> dict[str, object]:
    request = Request(
        f"http://127.0.0.1:{server.port}{path}", msgspec.json.encode(body), {"content-type": "application/json"}, method="POST"
    )
    with urlopen(request, timeout=10) as answer:
        found: dict[str, object] = msgspec.json.decode(answer.read())
        return found
