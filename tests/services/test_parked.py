"""An event of another log that cannot be taken: its stream is set aside, the others go on, and an operator decides."""

import json
from uuid import UUID

import pytest

from tests.services.street import SETTLE, Street
from tests.topologies.hands import until

pytestmark = pytest.mark.slow

STEPS = 6
_CHANGED = "stream = ? and type = 'counter.changed' and stream_version = ?"


def _moved(street: Street, tenant: str, counter: str, times: int = STEPS) -> None:
    for _ in range(times):
        street.insist("POST", f"/v1/counters/{counter}/increment", tenant=tenant)


def _poison(street: Street, counter: str, version: int) -> str:
    """Make an event of a counter unreadable, in the file; return what it said."""
    about = f"counter/{UUID(counter)}", version
    ((payload,),) = street.rows("", f"select payload from armature_outbox where {_CHANGED}", *about)
    street.rows("", f"update armature_outbox set payload = ? where {_CHANGED}", '{"no": "such event"}', *about)
    return str(payload)


def _set_aside(street: Street) -> list[tuple[str, str]]:
    said = street.command("quarantined", "--database", "quota", "--json")
    found = json.loads(said.stdout)
    assert said.returncode == (1 if found else 0), said.stderr
    return [(one["by"], one["stream"]) for one in found]


def _poisoned(street: Street, tenant: str) -> tuple[str, str, str]:
    """Return a counter whose fourth event cannot be read by quota, another one, and what the event said."""
    sick, well = street.limited(tenant), street.limited(tenant)
    street.kill("quota")
    _moved(street, tenant, sick)
    _moved(street, tenant, well)
    payload = _poison(street, sick, 4)
    street.start("quota")
    return sick, well, payload


def test_a_poisonous_event_parks_its_stream_alone_and_is_taken_when_it_is_cured(street: Street) -> None:
    tenant = street.tenant()
    sick, well, payload = _poisoned(street, tenant)
    stream = f"counter/{UUID(sick)}"
    street.follows(tenant, well, STEPS)
    until(lambda: (SETTLE, stream) in _set_aside(street), lambda: f"{stream} is set aside: {_set_aside(street)}")
    assert street.settled(tenant, sick) == [1, 2]
    # What comes later waits behind it, and passes by nobody else.
    _moved(street, tenant, sick, 1)
    _moved(street, tenant, well, 1)
    street.follows(tenant, well, STEPS + 1)
    assert street.settled(tenant, sick) == [1, 2]
    still = street.command("quarantined", "retry", SETTLE, stream, "--database", "quota")
    assert still.returncode == 1 and "1 still parked" in still.stdout, still.stdout
    about = f"counter/{UUID(sick)}", 4
    street.rows("", f"update armature_outbox set payload = ? where {_CHANGED}", payload, *about)
    cured = street.command("quarantined", "retry", SETTLE, stream, "--database", "quota")
    assert cured.returncode == 0, cured.stdout + cured.stderr
    street.follows(tenant, sick, STEPS + 1)
    assert street.settled(tenant, sick) == list(range(1, STEPS + 2))
    assert _set_aside(street) == []


def test_a_poisonous_event_of_another_log_is_given_up_and_nothing_else_is(street: Street) -> None:
    tenant = street.tenant()
    sick, well, _ = _poisoned(street, tenant)
    stream = f"counter/{UUID(sick)}"
    until(lambda: (SETTLE, stream) in _set_aside(street), lambda: f"{stream} is set aside: {_set_aside(street)}")
    dropped = street.command("quarantined", "drop", SETTLE, stream, "--yes", "--database", "quota")
    assert dropped.returncode == 0, dropped.stdout + dropped.stderr
    street.follows(tenant, sick, STEPS)
    # Its version of the counter is the one that has no effect.
    assert street.settled(tenant, sick) == [1, 2, 4, 5, 6]
    street.follows(tenant, well, STEPS)
    assert street.settled(tenant, well) == list(range(1, STEPS + 1))
