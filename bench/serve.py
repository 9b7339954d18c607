"""Start a contestant on the server core, wait until it is ready, look at its memory and processor time, stop it.

A contestant that cannot be started, or does not become ready, is `NotThere` with the reason: a row without it is still a row.
"""

import contextlib
import http.client
import json
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]  # its stubs are a package of their own, for four calls here

from bench.targets import Target

__all__ = ["CORES", "NotThere", "Server", "pinned"]

READY_SECONDS_MAX = 30.0
# The first core serves, the last one loads; with one core both share it, and the table says so.
CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


class NotThere(Exception):
    """This contestant cannot take part; the message is the reason."""


@contextlib.contextmanager
def pinned(which: int) -> Iterator[None]:
    """Start children on one core (0 = server, -1 = load): a child inherits it before it can start a thread."""
    if not CORES:
        yield
        return
    os.sched_setaffinity(0, {CORES[which]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, set(CORES))


class Server:
    """A running contestant, its folder and its port. Use as a context manager."""

    def __init__(self, target: Target, folder: Path) -> None:
        self.target, self.folder, self.port = target, folder, _free_port()
        # Open as long as the server runs; stop() closes it.
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        command = [part.format(port=self.port, data=folder) for part in target.command]
        environment = {**os.environ, **dict(target.environment)}
        self._began = time.perf_counter()
        try:
            with pinned(0) if target.pinned else contextlib.nullcontext():
                self._process = subprocess.Popen(
                    command, cwd=target.project, env=environment, stdout=self._log, stderr=subprocess.STDOUT
                )
        except OSError as missing:
            raise NotThere(f"{command[0]} cannot be started: {missing.strerror}") from missing
        self.ready_seconds = self._wait()

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def call(self, method: str, path: str, body: object = None, key: str | None = None) -> tuple[int, Any]:
        """Make one call; return status and decoded body (None if there is none)."""
        headers = {"Content-Type": "application/json", "X-Tenant-ID": "public"}
        if key is not None:
            headers["Idempotency-Key"] = key
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        return answer.status, json.loads(content) if content else None

    def memory_mib(self) -> float:
        return float(sum(p.memory_info().rss for p in self._family())) / 2**20

    def cpu_seconds(self) -> float:
        return float(sum(sum(p.cpu_times()[:2]) for p in self._family()))

    def settle(self, seconds_max: float = 10.0) -> None:
        """Wait until work left over from the last measurement (projections, checkpoints) is done."""
        until = time.perf_counter() + seconds_max
        while time.perf_counter() < until:
            before = self.cpu_seconds()
            time.sleep(0.1)
            if self.cpu_seconds() - before < 0.02:
                return

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._log.close()

    def _wait(self) -> float:
        while time.perf_counter() - self._began < READY_SECONDS_MAX:
            if self._process.poll() is not None:
                raise NotThere(f"it stopped at once: {self._last_words()}")
            with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
                if self.call("GET", "/readyz")[0] == 200:
                    return time.perf_counter() - self._began
            time.sleep(0.002)
        words = self._last_words()
        self.stop()
        raise NotThere(f"not ready within {READY_SECONDS_MAX:.0f} s: {words}")

    def _last_words(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return lines[-1][:160] if lines else "no output"

    def _family(self) -> list[psutil.Process]:
        process = psutil.Process(self._process.pid)
        return [process, *process.children(recursive=True)]


def _free_port() -> int:
    """Return a free port below another free one: who has two edges serves gRPC there."""
    while True:
        with socket.socket() as probe, socket.socket() as above:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
            with contextlib.suppress(OSError):
                above.bind(("127.0.0.1", port + 1))
                return port
