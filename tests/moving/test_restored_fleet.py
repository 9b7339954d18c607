"""A backup of a fleet that works, by the command, and what was restored from it; and a reactor whose mark is ahead of the log
halts by name (I11)."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from armature.testing.history import Happened, intents
from armature.testing.stored import read_postgres
from tests.faults.process.fleet import Breakable
from tests.faults.process.load import create, driving
from tests.faults.process.server import until
from tests.faults.process.supervised import Supervised, addresses, build, doctor_says

pytestmark = pytest.mark.slow

BEHIND = """
select (select count(*) from armature_outbox where position is null)
     + (select count(*) from armature_consumers where consumer = 'tally.count' and position < (
            select max(position) from armature_outbox where type = 'counter.changed'))
"""
NOTES = "select (select count(*) from tally_notes) = (select count(*) from armature_outbox where type = 'counter.changed')"
AHEAD = "update armature_consumers set position = position + 1000 where consumer = 'tally.count'"
QUICK = {"DELIVERY__LEASE_SECONDS": "2"}


@pytest.fixture(scope="module")
def servers() -> Iterator[Breakable]:
    made = Breakable()
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short name: it becomes the installation's. The servers' users may enter."""
    with tempfile.TemporaryDirectory(prefix="saved-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name)


def is_whole(servers: Breakable, history: list[Happened], began: int) -> None:
    """What the fleet does with a backup is its own; what it was given is whole, and nothing that was not told."""
    durable = read_postgres(servers.postgres, "restored")
    assert {told.event_id for told in durable.log} <= {one.event_id for one in read_postgres(servers.postgres, "saved").log}
    for name, (value, version) in durable.counters.items():
        told = [one for one in durable.log if one.stream == name]
        assert (version, value) == (len(told), told[-1].value), "row and log of a counter disagree"
    of = intents(history)
    known = [of[line.attempt] for line in history if line.what == "ok"][:began]
    there = {of[attempt] for attempt in durable.of_attempt() if attempt in of}
    assert set(known) <= there, "what was acknowledged before it began is not in the backup"


def test_a_fleet_is_saved_under_load_and_restored_and_a_reactor_ahead_of_the_log_halts_by_name(
    servers: Breakable, folder: Path
) -> None:
    servers.postgres.create_database("saved")
    servers.postgres.create_database("restored")
    project = build(folder / folder.name, "tally")
    with Supervised(project, folder / "data", **QUICK, **addresses(servers, "saved")) as fleet:
        fleet.start()
        door = fleet.doors[0]
        with driving(door, folder / "history.jsonl", "steps", create(door, 4), clients=6) as load:
            load.goes_on(100)
            began = load.told("ok")
            saved = fleet.command("backup", str(folder / "backup"), "--json")
            assert saved.returncode == 0, saved.stderr
            load.goes_on(20)
            history = load.end()
        assert load.told("ok") > began, "nobody called while it was saved: the test proves nothing"
        fleet.ask_to_leave()
        assert fleet.wait() == 0
    head = msgspec.json.decode(saved.stdout)["head"]
    assert 0 < head < len(read_postgres(servers.postgres, "saved").log)

    with Supervised(project, folder / "again", **QUICK, **addresses(servers, "restored")) as fleet:
        restored = fleet.command("restore", str(folder / "backup"))
        assert restored.returncode == 0, restored.stderr
        is_whole(servers, history, began)
        fleet.start()
        until(lambda: servers.postgres.sql(BEHIND, "restored") == "0", "the reaction never comes to the end of the log")
        assert servers.postgres.sql(NOTES, "restored") == "t", "a change was missed, or noted twice"
        create(fleet.doors[0], 2, value=3, first=4)
        until(lambda: servers.postgres.sql(BEHIND, "restored") == "0", "the reaction does not go on behind the restore")
        assert servers.postgres.sql(NOTES, "restored") == "t", "a change was missed, or noted twice"
        # The broker knows the first life of this log, and remembers what it was given a moment ago.
        assert fleet.log.count("the log was restored or promoted to epoch ") == 1
        assert "the broker has lost messages" not in fleet.log
        assert "is ahead of the log" not in doctor_says(fleet)
        fleet.ask_to_leave()
        assert fleet.wait() == 0

        # As a reaction's notes have it that were not restored with the log.
        servers.postgres.sql(AHEAD, "restored")
        fleet.start(ready=False)
        until(lambda: "listens on" in fleet.log, "no process ever starts")
        said = doctor_says(fleet, code=1)
        assert "consumer tally.count: its checkpoint" in said and "is ahead of the log, which ends at" in said
        until(
            lambda: "consumer tally.count: its checkpoint" in "".join(fleet.asked_everywhere()),
            "the reactor never says why it stands still",
        )
