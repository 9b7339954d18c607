"""A reaction that a release took away: the doctor tells of it, a command forgets it whole, and when it is back it begins anew."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.process.fleet import Breakable
from tests.faults.process.load import create
from tests.faults.process.server import until
from tests.faults.process.supervised import Supervised, addresses, build, doctor_says

pytestmark = pytest.mark.slow

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


def test_a_reaction_that_a_release_took_away_is_told_of_and_forgotten(servers: Breakable, folder: Path) -> None:
    servers.postgres.create_database("forgotten")
    where = addresses(servers, "forgotten")
    with Supervised(build(folder / folder.name, "tally"), folder / "data", **QUICK, **where) as fleet:
        fleet.start()
        create(fleet.doors[0], 2, value=3)
        until(lambda: servers.postgres.sql("select count(*) from tally_notes", "forgotten") == "2", "it never reacts")
        refused = fleet.command("quarantined", "forget", "tally.count")
        assert refused.returncode == 2 and "a module has the reaction" in refused.stdout
        fleet.ask_to_leave()
        assert fleet.wait() == 0
    # The next release: the same installation without the module.
    with Supervised(build(folder / "next" / folder.name), folder / "data", **QUICK, **where) as fleet:
        fleet.start()
        said = doctor_says(fleet)
        assert "tally.count has run here and no module has it any more" in said
        assert "armature quarantined forget tally.count" in said
        done = fleet.command("quarantined", "forget", "tally.count")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "tally.count" not in doctor_says(fleet)
        again = fleet.command("quarantined", "forget", "tally.count")
        assert again.returncode == 2 and "no reaction 'tally.count' has run here" in again.stdout
        left = "select (select count(*) from armature_inbox where consumer = 'tally.count'), count(*) from armature_consumed "
        assert servers.postgres.sql(f"{left} where consumer = 'tally.count'", "forgotten") == "0|0"
        fleet.ask_to_leave()
        assert fleet.wait() == 0
    # The same release once more: it begins anew, for nothing is remembered, at the broker neither.
    with Supervised(folder / folder.name, folder / "data", **QUICK, **where) as fleet:
        fleet.start()
        until(lambda: servers.postgres.sql("select count(*) from tally_notes", "forgotten") == "4", "it does not begin anew")
        fleet.ask_to_leave()
        assert fleet.wait() == 0
