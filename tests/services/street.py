"""A street of services: each a process of its own on a file of its own, started, killed and looked into one by one."""

import http.client
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from itertools import count
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any, Self
from uuid import UUID, uuid4

import msgspec

from armature.testing.answer import Response
from tests.topologies.hands import Process, until

__all__ = ["ROOT", "SETTLE", "Street", "Walker"]

ROOT = Path(__file__).parents[2]
SETTLE = "quota.settle"
_RUN = "from armature.cli.main import main; main()"
_NOT_NOW = (500, 503, 504)
_FILES = {"": "armature.db", "quota": "quota.db"}
# Nobody waits for what only keeps a broken neighbour alone; and what fails is set aside while a test looks on.
_IMPATIENT = {
    "ARMATURE_DELIVERY__RETRY_SECONDS": "0.05",
    "ARMATURE_DELIVERY__ATTEMPTS_MAX": "2",
    "ARMATURE_RETENTION__SWEEP_SECONDS": "0.2",
}
_numbers = count(1)


class Street:
    """`with Street() as street:` has all services of a topology ready."""

    def __init__(
        self,
        root: Path = ROOT,
        topology: str = "services",
        environ: Mapping[str, str] | None = None,
        others: Sequence[str] = (),
    ) -> None:
        self.running: dict[str, Process] = {}
        self.topology = topology
        self.environ = {**_IMPATIENT, **(environ or {})}
        self._root = root
        self._names = ("counter", "quota", "edge", *others)
        self._folder = tempfile.TemporaryDirectory(prefix="armature-street-", ignore_cleanup_errors=True)
        self.data = Path(self._folder.name)

    def __enter__(self) -> Self:
        try:
            self.start(*self._names)
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._close()

    def launch(self, name: str, *, place: str = "", **environ: str) -> Process:
        """Start a service and do not wait for it; a second one of its kind is known by its place."""
        words = ["--topology", self.topology, "--process", name, "--port", "0", "--data", str(self.data)]
        process = self.running[place or name] = Process(self._root, words, {**self.environ, **environ})
        return process

    def start(self, *names: str) -> None:
        """Start services and wait until each says that it is ready."""
        for one in [self.launch(name) for name in names]:
            one.ready()

    def kill(self, name: str) -> None:
        """Kill a service with -9."""
        assert self.running.pop(name).end(signal.SIGKILL) == -signal.SIGKILL

    def stop(self, name: str) -> None:
        """Ask a service to leave."""
        assert self.running.pop(name).end(signal.SIGTERM) == 0

    def says(self, name: str, part: str) -> None:
        """Wait until a service gives a reason for which it should not be asked."""

        def missing() -> list[str]:
            try:
                return list(self.running[name].ask("GET", "/readyz").json()["missing"])
            except (OSError, http.client.HTTPException):
                return ["it does not listen yet"]

        until(lambda: any(part in reason for reason in missing()), lambda: f"{name} says {part!r}: {missing()}")

    def ask(self, method: str, path: str, json: Any = msgspec.UNSET, *, tenant: str, **headers: str) -> Response:
        """Ask at the edge, once."""
        return self.running["edge"].ask(method, path, json, x_tenant_id=tenant, **headers)

    def insist(self, method: str, path: str, json: Any = msgspec.UNSET, *, tenant: str) -> tuple[Response, int]:
        """Ask under one key until something certain is answered; return it, and how often that was not so."""
        key, refused = str(uuid4()), 0
        end: list[Response] = []

        def answered() -> bool:
            nonlocal refused
            try:
                answer = self.ask(method, path, json, tenant=tenant, idempotency_key=key)
            except (OSError, http.client.HTTPException):
                refused += 1
                return False
            if answer.status in _NOT_NOW:
                refused += 1
                return False
            end.append(answer)
            return True

        until(answered, lambda: f"{method} {path} is answered")
        return end[0], refused

    def tenant(self) -> str:
        """Return a tenant whom nobody knows yet."""
        return f"tenant-{next(_numbers)}"

    def limited(self, tenant: str, allowed: int = 1_000_000) -> str:
        """Make a counter with a limit; return its id."""
        made, _ = self.insist("POST", "/v1/counters", {"name": f"counter {next(_numbers)}"}, tenant=tenant)
        counter = str(made.json()["id"])
        answer, _ = self.insist("PUT", f"/v1/quotas/{counter}", {"allowed": allowed}, tenant=tenant)
        assert answer.status == 200, answer
        return counter

    def used(self, tenant: str, counter: str) -> int:
        """Return how far a quota has followed its counter."""
        return int(self.insist("GET", f"/v1/quotas/{counter}", tenant=tenant)[0].json()["used"])

    def follows(self, tenant: str, counter: str, used: int) -> None:
        """Wait until a quota has followed its counter so far."""
        until(lambda: self.used(tenant, counter) == used, lambda: f"used is {used}: {self.used(tenant, counter)}")

    def rows(self, database: str, text: str, *values: Any) -> list[Any]:
        """Look into a file behind everybody's back."""
        with closing(sqlite3.connect(self.data / _FILES[database], timeout=20)) as db, db:
            return db.execute(text, values).fetchall()

    def settled(self, tenant: str, counter: str) -> list[int]:
        """Return where each step that the quota took in its own log has led to, in the order of the log."""
        where = "tenant_id = ? and stream = ? and type = 'quota.settled'"
        text = f"select json_extract(payload, '$.used') from armature_outbox where {where} order by id"
        return [used for (used,) in self.rows("quota", text, tenant, f"quota/{UUID(counter)}")]

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the operator on this installation."""
        words = (*words, "--topology", self.topology, "--data", str(self.data))
        return subprocess.run(
            [sys.executable, "-c", _RUN, *words],
            cwd=self._root,
            env={**os.environ, **self.environ},
            text=True,
            capture_output=True,
            timeout=120,
            check=False,
        )

    def _close(self) -> None:
        for process in self.running.values():
            if process.alive:
                process.end(signal.SIGKILL)
        self._folder.cleanup()


class Walker(Thread):
    """Moves a counter so many steps, each until it is answered, whoever is killed meanwhile."""

    def __init__(self, street: Street, tenant: str, counter: str, steps: int) -> None:
        super().__init__(daemon=True)
        self.done = 0
        self.refused = 0
        self._street, self._tenant, self._counter, self._steps = street, tenant, counter, steps

    def run(self) -> None:
        """Walk."""
        for _ in range(self._steps):
            answer, refused = self._street.insist("POST", f"/v1/counters/{self._counter}/increment", tenant=self._tenant)
            assert answer.status == 200, answer
            self.done += 1
            self.refused += refused
