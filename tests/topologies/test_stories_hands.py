"""A fleet started by hand, process by process; and what becomes of the work when its holder is killed."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.topologies.hands import Hands, Process, until
from tests.topologies.place import ROOT, build

pytestmark = pytest.mark.slow

ROUND = 25
LEASE_SECONDS = 1.0


def test_processes_started_by_hand_one_at_a_time_become_a_fleet() -> None:
    processes = yaml.safe_load((ROOT / "platform/topologies/fleet.yaml").read_text())["processes"]
    # The one that reads first: it begins with an empty database, and knows nobody.
    names = sorted(processes, key=lambda name: name != "projector")
    with Hands(ROOT, "fleet") as hands:
        started = {name: hands.launch(name).ready() for name in names}
        web = started["web"]
        made = web.ask("POST", "/v1/counters", {"name": "visits"})
        assert made.status == 201, made.body
        path = f"/v1/counters/{made.json()['id']}"
        other = hands.launch("web").ready()
        moved = other.ask("POST", f"{path}/increment", {"by": 3})
        position = moved.headers["armature-position"]
        until(lambda: _totals(web, position) == {"counters": 1, "value": 3, "changes": 2}, lambda: "the totals follow")
        assert [line["value"] for line in other.ask("GET", f"{path}/history").json()["items"]] == [0, 3]
        until(lambda: hands.sql("select max(position) from armature_cursors") == "2", lambda: "the relay has both events")
        assert [process.end(signal.SIGTERM) for process in (other, *started.values())] == [0] * (1 + len(names))


def _totals(web: Process, position: str) -> object:
    return web.ask("GET", "/v1/counters/totals", armature_position=position).json()


@pytest.fixture
def crew(tmp_path: Path) -> Iterator[Hands]:
    """A web and crews that play everything else; any number of them may be started."""
    root = build(tmp_path / "crew-town", "fleet")
    topology = root / "platform/topologies/fleet.yaml"
    written = yaml.safe_load(topology.read_text())
    roles = ["sequencer", "relay", "reactor", "projector", "sweeper"]
    written["processes"] = {"web": {"roles": ["http"]}, "crew": {"roles": roles, "replicas": 2}}
    topology.write_text(yaml.safe_dump(written))
    environ = {"ARMATURE_DELIVERY__LEASE_SECONDS": str(LEASE_SECONDS), "ARMATURE_DELIVERY__ACK_SECONDS": "1"}
    with Hands(root, "fleet", environ) as hands:
        yield hands


def test_two_of_every_role_never_do_the_same_work_twice_though_the_holders_are_killed(crew: Hands) -> None:
    web, *pair = [crew.launch(name) for name in ("web", "crew", "crew")]
    for process in (web, *pair):
        process.ready()
    told = _work(web)
    _at_rest(crew, web, told)
    for _ in range(2):
        killed = _holder(crew, pair)
        told += _work(web)
        assert killed.end(signal.SIGKILL) == -signal.SIGKILL
        told += _work(web)
        _at_rest(crew, web, told)
        pair.remove(killed)
        successor = _holder(crew, pair)
        assert successor.pid != killed.pid
        pair.append(crew.launch("crew").ready())
    terms = crew.sql("select term from armature_leases where name = 'relay:broker'")
    assert int(terms) >= 3, "the lease changed hands with each kill"


def _work(web: Process) -> int:
    """Place errands; return how many."""
    for _ in range(ROUND):
        assert web.ask("POST", "/v1/errands", x_tenant_id="acme").status == 201
    return ROUND


def _holder(crew: Hands, pair: list[Process]) -> Process:
    """Return who relays, when everything that is held is held by somebody who lives."""
    pids = {str(process.pid): process for process in pair}
    held = "select split_part(holder, ':', 2) from armature_leases where name = 'relay:broker'"
    until(lambda: crew.sql(held) in pids, lambda: f"one of {list(pids)} holds the relay's lease, not {crew.sql(held)}")
    return pids[crew.sql(held)]


def _at_rest(crew: Hands, web: Process, told: int) -> None:
    """Everything that was told is numbered, relayed and reacted to: once."""

    def counts() -> list[str]:
        return crew.sql(
            "select count(*), count(position), count(distinct position), coalesce(max(position), 0),"
            " (select max(position) from armature_cursors),"
            " (select count(*) from errand_runs), (select count(distinct errand_id) from errand_runs)"
            " from armature_outbox"
        ).split("|")

    until(lambda: set(counts()) == {str(told)}, lambda: f"{told} events are done: {counts()}")
    assert web.ask("GET", "/v1/runs", x_tenant_id="acme").json() == {"runs": told, "errands": told}
