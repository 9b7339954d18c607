"""A backup taken by the command while a real process serves, restored and started; and a checkpoint ahead of its log (I11)."""

import re
import time
from contextlib import closing, suppress
from pathlib import Path

import apsw
import msgspec
import pytest

from armature.testing.server import RunningServer
from tests.moving.world import ROOT, armature

pytestmark = pytest.mark.slow
_SECONDS_MAX = 60.0


def test_a_backup_of_a_serving_system_starts_and_a_read_model_ahead_of_the_log_halts_by_name(tmp_path: Path) -> None:
    with RunningServer(ROOT, data=tmp_path / "data") as server:
        made = server.post("/v1/counters", json={"name": "kept"}).json()
        path = f"/v1/counters/{made['id']}"
        told = server.post(f"{path}/increment", json={"by": 3}, headers={"idempotency-key": "before"})
        saved = armature("backup", str(tmp_path / "saved"), "--data", str(tmp_path / "data"), "--json")
        assert saved.returncode == 0, saved.stderr
        assert msgspec.json.decode(saved.stdout)["head"] == 2
        server.post(f"{path}/increment", json={"by": 5})

    there = tmp_path / "restored"
    done = armature("restore", str(tmp_path / "saved"), "--data", str(there))
    assert done.returncode == 0, done.stderr
    assert re.search(r"epoch \d{16}, head 2$", done.stdout, re.MULTILINE), done.stdout
    again = armature("restore", str(tmp_path / "saved"), "--data", str(there))
    assert again.returncode == 2
    assert "there is a database already" in again.stderr

    with RunningServer(ROOT, data=there) as server:
        assert server.get(path).json()["value"] == 3
        answer = server.post(f"{path}/increment", json={"by": 3}, headers={"idempotency-key": "before"})
        assert (answer.status, answer.body) == (told.status, told.body)
    # As a read model has it that was not restored with its log.
    with closing(apsw.Connection(str(there / "armature.db"))) as db:
        db.execute("update armature_checkpoints set position = 9 where projection = 'counter.history'")
    server = RunningServer(ROOT, data=there)
    try:
        server.launch()
        said = until_said(server, "counter.history")
        assert "ahead of the log, which ends at 2" in said
        assert "counter.totals" not in said
        server.post(f"{path}/increment", json={"by": 1})
        until = time.monotonic() + _SECONDS_MAX
        while server.get("/v1/counters/totals").json()["value"] != 4:
            assert time.monotonic() < until, "the other read model does not go on"
        served = armature("restore", "--brought-back", "--data", str(there))
        assert (served.returncode, "it is being served: " in served.stderr) == (2, True), served.stderr
    finally:
        server.close()
    # It was killed, so its leases end by themselves.
    while (turned := armature("restore", "--brought-back", "--data", str(there))).returncode and "served" in turned.stderr:
        assert time.monotonic() < until + _SECONDS_MAX, turned.stderr
    assert re.search(r"goes on in epoch \d{16}, head 3$", turned.stdout, re.MULTILINE), (turned.stdout, turned.stderr)
    assert armature("restore", "--data", str(there)).returncode == 2
    _still_halted(there, path)


def _still_halted(data: Path, path: str) -> None:
    """The new epoch is the log's; a read model that is of another log stays where it is."""
    server = RunningServer(ROOT, data=data)
    try:
        server.launch()
        assert "ahead of the log, which ends at 3" in until_said(server, "counter.history")
        assert server.get(path).json()["value"] == 4
    finally:
        server.close()


def until_said(server: RunningServer, word: str) -> str:
    """Wait until readiness says why; return what it says."""
    until = time.monotonic() + _SECONDS_MAX
    said = ""
    while time.monotonic() < until:
        found = re.search(r"listens on (http://\S+)", server.log)
        if found is not None:
            server.url = found.group(1)
            with suppress(OSError):
                answer = server.get("/readyz")
                said = answer.body.decode()
                if answer.status == 503 and word in said and "ahead" in said:
                    return said
    raise AssertionError(f"readiness never said it of {word}: {said}")
