"""`armature run --topology … --servers`: a fleet on servers of its own, asked at one process and read at another."""

import http.client
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest

from armature.testing.answer import Response
from armature.testing.processes import descendants

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
RUN = "from armature.cli.main import main; main()"
SERVERS = {"postgres": "postgres", "nats": "nats-server", "redis": "redis-server"}
"""By the name that is shown: the program."""
API = re.compile(r"^\s+API\s+(http://[^/\s]+)\S*\s+\(web", re.MULTILINE)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that the servers' own users may enter, which pytest's is not."""
    with tempfile.TemporaryDirectory(prefix="armature-fleet-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name)


class Fleet:
    """A supervised fleet with its servers; `log` is what it printed."""

    def __init__(self, topology: str, folder: Path) -> None:
        self._log = (folder / "log").open("w+b")
        command = [sys.executable, "-c", RUN, "run", "--topology", topology, "--servers", "--port", "0", "--data", str(folder)]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=self._log, stderr=subprocess.STDOUT)

    @property
    def log(self) -> str:
        return os.pread(self._log.fileno(), 1 << 20, 0).decode()

    def webs(self) -> list[str]:
        self.until(lambda: "Stop with Ctrl-C." in self.log)
        return API.findall(self.log)

    def until(self, true: Callable[[], bool]) -> None:
        until = time.monotonic() + 120
        while not true():
            assert self.process.poll() is None and time.monotonic() < until, self.log
            time.sleep(0.05)

    def servers(self, program: str) -> list[int]:
        """The processes, zombies too, that run a program and are children of the one we started."""
        below = {one: Path(f"/proc/{one}/stat").read_text().rpartition(")") for one in descendants(self.process.pid)}
        return [
            one
            for one, (name, _, rest) in below.items()
            if name.rpartition("(")[2] == program and int(rest.split()[1]) == self.process.pid
        ]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)
        self._log.close()


def ask(base: str, method: str, path: str, body: bytes | None = None, **headers: str) -> Response:
    address = urlsplit(base)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
    try:
        fields = {"content-type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
        connection.request(method, path, body=body, headers=fields)
        answer = connection.getresponse()
        return Response(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        connection.close()


@pytest.mark.parametrize("topology", ["fleet", "fleet-redis"])
def test_a_fleet_counts_at_one_process_and_is_read_at_another(topology: str, open_folder: Path) -> None:
    fleet = Fleet(topology, open_folder)
    try:
        one, two = fleet.webs()
        made = ask(one, "POST", "/v1/counters", b'{"name": "visits"}')
        assert made.status == 201, made.body
        path = f"/v1/counters/{msgspec.json.decode(made.body)['id']}"
        moved = ask(one, "POST", f"{path}/increment", b"{}")
        assert msgspec.json.decode(ask(two, "GET", path).body)["value"] == 1
        totals = ask(two, "GET", "/v1/counters/totals", armature_position=moved.headers["armature-position"])
        assert msgspec.json.decode(totals.body) == {"counters": 1, "value": 1, "changes": 2}
        assert fleet.stop() == 0, fleet.log
    finally:
        fleet.end()


def test_servers_that_are_killed_run_again_and_the_fleet_with_them(open_folder: Path) -> None:
    fleet = Fleet("fleet", open_folder)
    try:
        bases = fleet.webs()
        made = ask(bases[0], "POST", "/v1/counters", b'{"name": "visits"}')
        assert made.status == 201, made.body
        path = f"/v1/counters/{msgspec.json.decode(made.body)['id']}"
        for number, (server, program) in enumerate(SERVERS.items(), 1):
            (before,) = fleet.servers(program)
            os.kill(before, signal.SIGKILL)
            key = f"while {server} is away"
            fleet.until(lambda key=key: answered(bases[0], "POST", f"{path}/increment", b"{}", idempotency_key=key))
            fleet.until(lambda server=server: f"{server} runs again on port" in fleet.log)
            assert f"{server} ended with SIGKILL; it starts again in 0." in fleet.log
            (after,) = fleet.servers(program)
            assert after != before
            fleet.until(lambda: all(answered(base, "GET", "/readyz") for base in bases))
            key = f"after {server} was away"
            fleet.until(lambda key=key: answered(bases[1], "POST", f"{path}/increment", b"{}", idempotency_key=key))
            assert msgspec.json.decode(ask(bases[0], "GET", path).body)["value"] == 2 * number
        running = [pid for program in SERVERS.values() for pid in fleet.servers(program)]
        assert fleet.stop() == 0, fleet.log
        assert not any(Path(f"/proc/{pid}").exists() for pid in running)
        said = [msgspec.json.decode(line) for line in fleet.log.splitlines() if line.startswith("{")]
        assert said and all(one["process"] for one in said)
    finally:
        fleet.end()


def answered(base: str, method: str, path: str, body: bytes | None = None, **headers: str) -> bool:
    try:
        return ask(base, method, path, body, **headers).status == 200
    except OSError:
        return False
