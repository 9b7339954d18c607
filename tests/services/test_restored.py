"""The log that a reaction follows goes back to an older state: the reaction halts by name, and who looks is told (I11)."""

import json
import re
from collections.abc import Iterator

import pytest

from tests.services.street import SETTLE, Street

pytestmark = pytest.mark.slow


@pytest.fixture
def street() -> Iterator[Street]:
    """One that nobody else needs: its logs do not belong together any more afterwards."""
    with Street() as opened:
        yield opened


def test_a_reaction_to_a_log_that_was_restored_to_an_older_state_halts_by_name(street: Street) -> None:
    tenant = street.tenant()
    counter = street.limited(tenant)
    for _ in range(5):
        street.insist("POST", f"/v1/counters/{counter}/increment", tenant=tenant)
    street.follows(tenant, counter, 5)
    saved = street.command("backup", str(street.data / "saved"))
    assert saved.returncode == 0, saved.stderr
    for _ in range(5):
        street.insist("POST", f"/v1/counters/{counter}/increment", tenant=tenant)
    street.follows(tenant, counter, 10)
    sound = _doctor(street)
    assert sound["status"] == "ok" and SETTLE in sound["text"], sound

    street.kill("counter")
    for file in street.data.glob("armature.db*"):
        file.unlink()
    restored = street.command("restore", str(street.data / "saved"))
    assert restored.returncode == 0, restored.stderr
    street.launch("counter")
    (epoch,) = re.findall(r"epoch (\d+), head", restored.stdout)
    street.says("quota", f"consumer {SETTLE}: its checkpoint is of epoch 1, the log was restored or promoted to {epoch}")
    # Also when the log has grown past the checkpoint, and when quota is started again.
    for _ in range(12):
        street.insist("POST", f"/v1/counters/{counter}/increment", tenant=tenant)
    street.kill("quota")
    street.launch("quota")
    street.says("quota", f"consumer {SETTLE}: its checkpoint is of epoch 1")
    assert street.settled(tenant, counter) == list(range(1, 11))
    for database in ((), ("--database", "quota")):
        told = _doctor(street, *database)
        assert told["status"] == "error" and f"consumer {SETTLE}: its checkpoint is of epoch 1" in told["text"], told


def _doctor(street: Street, *words: str) -> dict[str, str]:
    said = street.command("doctor", "--json", "--port", "0", *words)
    (found,) = [one for one in json.loads(said.stdout) if one["about"] == "consumers"]
    assert said.returncode == (found["status"] == "error"), said.stdout
    return dict(found)
