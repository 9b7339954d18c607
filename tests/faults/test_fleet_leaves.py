"""A whole fleet asked to leave while callers call (I31): who was let in is answered, every process ends by itself, and relay,
reactions and read models go on where they were when the fleet is back."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from armature.testing.history import Happened
from armature.testing.judges import judge
from armature.testing.stored import read_postgres

from .process.fleet import Breakable
from .process.load import create, driving
from .process.server import until
from .process.supervised import Supervised, addresses, all_gone, build, ready

pytestmark = pytest.mark.slow

DATABASE = "leaving"
CURSOR = "select position, term from armature_cursors where sink = 'broker'"
BEHIND = """
select (select count(*) from armature_outbox where position is null)
     + (select count(*) from armature_cursors where position < (select max(position) from armature_outbox))
     + (select count(*) from armature_consumers where position < (select max(position) from armature_outbox
                                                                   where type = 'counter.changed'))
     + (select count(*) from armature_checkpoints where position < (select max(position) from armature_outbox))
"""
TALLY = "select count(*), count(distinct (counter_id, counted)) from tally_notes"
CHANGED = "select count(*) from armature_outbox where type = 'counter.changed'"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short name: it becomes the installation's."""
    with tempfile.TemporaryDirectory(prefix="leaving-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def test_a_whole_fleet_leaves_under_load_and_goes_on_where_it_was(breakable: Breakable, folder: Path) -> None:
    breakable.postgres.create_database(DATABASE)
    where = addresses(breakable, DATABASE)
    project = build(folder / folder.name, "tally")
    with Supervised(project, folder / "data", HTTP__DRAIN_NOTICE_SECONDS="2", **where) as fleet:
        fleet.start()
        first, second = fleet.doors
        counters = create(first, 4)
        before = fleet.pids()
        assert len(before) == 9, "not every process of the topology runs"
        with (
            driving(first, folder / "first.jsonl", "steps", counters, clients=6, seed=1) as one,
            driving(second, folder / "second.jsonl", "steps", counters, clients=6, seed=2) as other,
        ):
            one.goes_on(100)
            other.goes_on(100)
            fleet.ask_to_leave()
            until(lambda: not ready(first) and not ready(second), "readiness never said that the processes leave")
            known = one.told("ok") + other.told("ok")
            assert fleet.wait() == 0, fleet.log[-3_000:]
            assert one.told("ok") + other.told("ok") > known, "nobody called while it left: the test proves nothing"
            history = [*one.end(), *other.end()]
        nobody_was_let_down(history)
        assert all_gone(before), "a process outlived its supervisor"
        assert "is killed" not in fleet.log and "cut after" not in fleet.log
        position, term = map(int, breakable.postgres.sql(CURSOR, DATABASE).split("|"))
        assert position > 0

        fleet.start()
        until(lambda: breakable.postgres.sql(BEHIND, DATABASE) == "0", "somebody never comes to the end of the log")
        judge(read_postgres(breakable.postgres, DATABASE), history)
        notes, changes = breakable.postgres.sql(TALLY, DATABASE).split("|")
        assert notes == changes == breakable.postgres.sql(CHANGED, DATABASE), "a change was missed, or noted twice"
        moved, again = map(int, breakable.postgres.sql(CURSOR, DATABASE).split("|"))
        assert moved >= position and again == term + 1, "the cursor did not go on under the next term"
        fleet.ask_to_leave()
        assert fleet.wait() == 0


def nobody_was_let_down(history: list[Happened]) -> None:
    """Whoever was let in has an answer, and the answer is no excuse."""
    assert [line for line in history if line.what == "info"] == [], "somebody was let in and got no answer"
    assert [line for line in history if line.status >= 500] == []
