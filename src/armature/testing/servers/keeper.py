"""Keeps a local server running: one that ends is reaped and started again, on its port and its store, later each time.

A thread, and not a task: the server is there before the event loop is and after it has gone, also beside a process that is not
supervised. The pauses are those of the supervisor's children; a server is never given up, for what keeps it down may be cured.
"""

import threading
import time
from collections.abc import Callable

from armature.runtime.children import Restarts, ended
from armature.testing.servers.local import LocalServer, MissingServer

__all__ = ["Keeper"]

_LOOK_SECONDS = 0.1


class Keeper:
    """Keeps `server`, which runs, until `stop`; `say` is told in words of what happens to it, from the keeper's thread."""

    def __init__(self, server: LocalServer, say: Callable[[str], None], restarts: Restarts | None = None) -> None:
        self._server = server
        self._say = say
        self._restarts = restarts or Restarts()
        self._leaving = threading.Event()
        self._began = time.monotonic()
        self._thread = threading.Thread(target=self._keep, name=f"keeper of {server.name}")
        self._thread.start()

    def stop(self) -> None:
        """Stop the server, and start it no more."""
        self._leaving.set()
        self._thread.join()
        self._server.stop()

    def _keep(self) -> None:
        while not self._leaving.wait(_LOOK_SECONDS):
            if not self._server.running and (code := self._server.stop()) is not None:
                self._again(f"ended with {ended(code)}")

    def _again(self, trouble: str) -> None:
        """Start it until it answers, or until it is wanted no more."""
        name = self._server.name
        while not self._leaving.is_set():
            delay = self._restarts.after(time.monotonic() - self._began, patient=True) or 0.0
            self._say(f"{name} {trouble}; it starts again in {delay:.1f} s")
            if self._leaving.wait(delay):
                return
            self._began = time.monotonic()
            try:
                self._server.start()
            except (MissingServer, RuntimeError, OSError) as refused:
                trouble = f"cannot be started again: {_short(refused)}, its log is {self._server.folder}/log"
            else:
                self._say(f"{name} runs again on port {self._server.port}, as process {self._server.pid}")
                return


def _short(refused: Exception) -> str:
    """The first line says what failed, and the last one, out of the server's log, why."""
    lines = [line.strip() for line in str(refused).splitlines() if line.strip()]
    return " … ".join(dict.fromkeys((lines[0], lines[-1]))) if lines else type(refused).__name__
