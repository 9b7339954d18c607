"""One trace of commands means the same on every topology; and where it does not, `armature prove` says so."""

import asyncio
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from armature.engine.call import Call
from armature.engine.remote_log import PulledBus, RemoteLog
from armature.engine.remote_message import Ask
from armature.engine.remote_operation import RemoteOperation
from armature.ports.bus import Message
from armature.testing import reacted
from armature.testing.prove.dump import dump
from armature.testing.prove.proof import Watch, prove
from armature.testing.prove.stage import Servers, Stage
from armature.testing.prove.trace import Trace
from armature.testing.prove.verdict import KINDS, Played, differences, hashes
from tests.topologies.place import ALL

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
RUN = "from armature.cli.main import main; main()"


def test_two_thousand_commands_leave_the_same_on_every_topology() -> None:
    proof = asyncio.run(prove(ROOT, ALL, commands=2_000, seed=20_261_121))
    assert proof.differences == (), "\n".join(proof.differences[:3])
    assert [one.topology for one in proof.played] == list(ALL)
    assert {one.topology: one.nodes for one in proof.played}.items() >= {
        "single": 1,
        "fleet": 2,
        "layered": 1,
        "split": 2,
    }.items()
    assert len({tuple(hashes(one).items()) for one in proof.played}) == 1
    statuses = [answer.status for answers in proof.played[0].answers.values() for answer in answers]
    assert proof.trace.steps >= 2_000 and len(statuses) == proof.trace.steps
    for wanted in (200, 201, 204, 401, 404, 409, 412, 422):
        assert statuses.count(wanted) >= 5, f"the trace has too few answers {wanted}"
    replays = [one for answers in proof.played[0].answers.values() for one in answers if "idempotent-replayed" in one.headers]
    assert len(replays) >= 50
    (log,) = [part for part in proof.played[0].dump.parts if part.kind == "events"]
    for told in ("quota.settled", "quota.dropped"):
        assert sum(f'"{told}"' in line for line in log.lines) >= 5, f"the trace makes reactions tell too little: {told}"


def test_a_trace_that_was_kept_is_played_again_as_it_was(tmp_path: Path) -> None:
    first = asyncio.run(prove(ROOT, ["single"], commands=300, seed=3))
    first.trace.write(tmp_path / "trace.json")
    again = asyncio.run(prove(ROOT, ["single"], commands=1, seed=9, trace=Trace.read(tmp_path / "trace.json")))
    assert hashes(again.played[0]) == hashes(first.played[0])
    (tmp_path / "other.json").write_text('{"seed": "no number"}')
    with pytest.raises(ValueError, match="is no recorded trace"):
        Trace.read(tmp_path / "other.json")


def test_a_row_that_was_changed_behind_its_back_is_named() -> None:
    proof = asyncio.run(prove(ROOT, ["single"], commands=200, seed=4))

    async def spoiled() -> Played:
        servers = Servers()
        async with Stage(ROOT, "single", servers) as stage:
            core = stage.nodes[0].core
            again = await prove(ROOT, ["single"], commands=1, seed=4, trace=proof.trace, watch=Watch())
            await core.database.script(
                "insert into counter_counters (tenant_id, id, name, value, version)"
                " values ('tenant-1', x'00112233445566778899aabbccddeeff', 'stowaway', 1, 1)"
            )
            left = await dump([core], stage.project, list(proof.trace.tenants))
            one = again.played[0]
            return Played("spoiled", 1, one.answers, left, one.reads, 0.0)

    found = differences(proof.trace, proof.played[0], asyncio.run(spoiled()))
    assert any("stowaway" in text for text in found), found


def test_a_topology_that_behaves_otherwise_ends_with_one_and_is_named(tmp_path: Path) -> None:
    for name in ("modules", "platform"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    # Answers expire at once here, so that who repeats a command has it done twice.
    environment = (ROOT / "platform/environments/dev.yaml").read_text().replace("name: dev", "name: forgetful")
    (tmp_path / "platform/environments/forgetful.yaml").write_text(
        f"{environment}policies:\n  idempotency:\n    ttl_seconds: 0.000001\n"
    )
    topology = (ROOT / "platform/topologies/single.yaml").read_text()
    (tmp_path / "platform/topologies/forgetful.yaml").write_text(f"{topology}environment: forgetful\n")
    done = _prove(tmp_path, "--topology", "single", "--topology", "forgetful", "--commands", "600", "--json")
    assert done.returncode == 1, done.stderr
    said = json.loads(done.stdout)
    assert said["topologies"]["single"].keys() == set(KINDS)
    assert said["topologies"]["single"]["events"] != said["topologies"]["forgetful"]["events"]
    assert any(text.startswith("forgetful: step ") and "was answered" in text for text in said["differences"])


def test_one_topology_alone_is_not_called_equal() -> None:
    done = _prove(ROOT, "--topology", "single", "--commands", "40")
    assert done.returncode == 0, done.stderr
    assert "single alone was played, and nothing was compared; name another one with --topology" in done.stdout
    assert "equal" not in done.stdout


def test_a_stand_in_that_loses_an_argument_on_the_way_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = RemoteOperation.ask

    def forgetful(stand_in: RemoteOperation, call: Call, arguments: dict[str, Any], *rest: Any) -> Ask:
        left = {name: value for name, value in arguments.items() if name != "by" or stand_in.is_query}
        return whole(stand_in, call, left, *rest)

    monkeypatch.setattr(RemoteOperation, "ask", forgetful)
    proof = asyncio.run(prove(ROOT, ["single", "layered"], commands=200, seed=5))
    assert any("layered: step " in text and "(counter.increment" in text for text in proof.differences), proof.differences


def test_a_log_read_from_afar_that_passes_over_an_event_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = RemoteLog.after

    async def hasty(log: RemoteLog, position: int, limit: int) -> list[Message]:
        found = await whole(log, position, limit)
        # Only what reactions are given: who compares sees the log as it is.
        return [one for one in found if one.type != "counter.deleted"] if log in pulled else found

    pulled: list[RemoteLog] = []
    made = PulledBus.__init__

    def noted(bus: PulledBus, log: RemoteLog) -> None:
        pulled.append(log)
        made(bus, log)

    monkeypatch.setattr(PulledBus, "__init__", noted)
    monkeypatch.setattr(RemoteLog, "after", hasty)
    monkeypatch.setattr(reacted, "_SECONDS_MAX", 3.0)
    with pytest.raises(TimeoutError, match=r"quota\.settle did not take all events"):
        asyncio.run(prove(ROOT, ["single", "services"], commands=400, seed=5))
    assert pulled


def test_what_cannot_be_played_is_refused_in_words(tmp_path: Path) -> None:
    unknown = _prove(ROOT, "--topology", "singel")
    assert unknown.returncode == 2 and "singel" in unknown.stderr and "Traceback" not in unknown.stderr
    (tmp_path / "no-trace").write_text("nothing")
    refused = _prove(ROOT, "--trace", str(tmp_path / "no-trace"))
    assert refused.returncode == 2 and "is no recorded trace" in refused.stderr


def _prove(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", RUN, "prove", *words], cwd=root, text=True, capture_output=True, timeout=300, check=False
    )
