"""A reaction to another service's log that a release took away: it is forgotten where its marks are, and begins anew when it
comes back."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from tests.moving.world import armature
from tests.services.street import SETTLE, Street
from tests.topologies.hands import until
from tests.topologies.place import ROOT, build

pytestmark = pytest.mark.slow

STEPS = 3
_MENTIONS = ("from modules.quota.reactions import Settle\n", ", reactions=[Settle(quotas)]")
_TABLES = ("armature_inbox", "armature_consumed", "armature_dead_letters", "armature_consumers")


@pytest.fixture
def quota(tmp_path: Path) -> Path:
    """A village in which the quotas may be edited: the folder of that module."""
    folder = build(tmp_path / "village", "services") / "modules/quota"
    folder.unlink()
    shutil.copytree(ROOT / "modules/quota", folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture
def street(quota: Path) -> Iterator[Street]:
    """The village's services."""
    with Street(quota.parents[1]) as opened:
        yield opened


def test_a_reaction_to_another_log_is_forgotten_whole_and_begins_anew(street: Street, quota: Path) -> None:
    tenant = street.tenant()
    counter, sick = street.limited(tenant), street.limited(tenant)
    _moved(street, tenant, counter)
    street.follows(tenant, counter, STEPS)
    _park(street, tenant, sick)
    still = street.command("quarantined", "forget", SETTLE, "--database", "quota")
    assert still.returncode == 2 and "a module has the reaction" in still.stdout

    before = {name: (quota / name).read_text() for name in ("module.py", "reactions.py")}
    street.stop("quota")
    _take_away(quota)
    street.start("quota")
    told = _doctor(street)
    assert f"{SETTLE} has run here and no module has it any more" in told["text"]
    assert "broker" not in told["text"] and "of another log" in told["text"]
    assert told["cure"].endswith(f"armature quarantined forget {SETTLE} --database quota")
    elsewhere = street.command("quarantined", "forget", SETTLE)
    assert elsewhere.returncode == 2 and "--database quota" in elsewhere.stdout, elsewhere.stdout
    done = street.command("quarantined", "forget", SETTLE, "--database", "quota")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {table: _left(street, table) for table in _TABLES} == dict.fromkeys(_TABLES, 0)
    again = street.command("quarantined", "forget", SETTLE, "--database", "quota")
    assert again.returncode == 2 and f"no reaction '{SETTLE}' has run here" in again.stdout

    street.stop("quota")
    for name, text in before.items():
        (quota / name).write_text(text)
    street.start("quota")
    _moved(street, tenant, counter, 1)
    street.follows(tenant, counter, STEPS + 1)


def test_where_nothing_was_started_nothing_is_forgotten_and_nothing_made(tmp_path: Path) -> None:
    words = ["quarantined", "forget", "any.reaction", "--topology", "services", "--database", "quota", "--data", str(tmp_path)]
    said = armature(*words)
    assert said.returncode == 2 and "there is no database at" in said.stderr and "Traceback" not in said.stderr
    assert list(tmp_path.iterdir()) == []


def _take_away(quota: Path) -> None:
    """Make the next release, in which quotas follow nobody."""
    (quota / "reactions.py").unlink()
    module = (quota / "module.py").read_text()
    for mention in _MENTIONS:
        assert mention in module
        module = module.replace(mention, "")
    (quota / "module.py").write_text(module)


def _moved(street: Street, tenant: str, counter: str, times: int = STEPS) -> None:
    for _ in range(times):
        street.insist("POST", f"/v1/counters/{counter}/increment", tenant=tenant)


def _park(street: Street, tenant: str, counter: str) -> None:
    """Have the reaction park a counter, which no file will hold against it afterwards."""
    street.kill("quota")
    _moved(street, tenant, counter, 1)
    about, stream = "stream = ? and type = 'counter.changed'", f"counter/{UUID(counter)}"
    ((payload,),) = street.rows("", f"select payload from armature_outbox where {about}", stream)
    street.rows("", f"update armature_outbox set payload = ? where {about}", '{"no": "such event"}', stream)
    street.start("quota")
    until(lambda: _left(street, "armature_dead_letters") == 1, lambda: f"{stream} is parked")
    street.rows("", f"update armature_outbox set payload = ? where {about}", payload, stream)


def _left(street: Street, table: str) -> int:
    return int(street.rows("quota", f"select count(*) from {table} where consumer = ?", SETTLE)[0][0])


def _doctor(street: Street) -> dict[str, str]:
    said = street.command("doctor", "--json", "--port", "0", "--database", "quota")
    (found,) = [one for one in json.loads(said.stdout) if one["about"] == "reactions"]
    return dict(found)
