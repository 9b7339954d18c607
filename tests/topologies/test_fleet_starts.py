"""`armature run --topology … --servers`: a fleet on servers of its own, asked at one process and read at another."""

import http.client
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest

from armature.testing.answer import Response

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
RUN = "from armature.cli.main import main; main()"
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
        until = time.monotonic() + 120
        while "Stop with Ctrl-C." not in self.log:
            assert self.process.poll() is None and time.monotonic() < until, self.log
            time.sleep(0.05)
        return API.findall(self.log)

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
