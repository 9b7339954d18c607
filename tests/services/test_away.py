"""A reaction to another service's log while one of the two is killed, away, or far behind: nothing is lost or doubled."""

from pathlib import Path
from uuid import UUID

import pytest

from tests.services.street import Street, Walker
from tests.topologies.hands import until

pytestmark = pytest.mark.slow

WALKERS = 3
STEPS = 40
ALL = WALKERS * STEPS


def test_each_step_is_settled_once_though_both_services_are_killed_in_the_middle(street: Street) -> None:
    tenant = street.tenant()
    counter = street.limited(tenant)
    walkers = [Walker(street, tenant, counter, STEPS) for _ in range(WALKERS)]
    for one in walkers:
        one.start()

    def done() -> int:
        return sum(one.done for one in walkers)

    until(lambda: done() > ALL // 4, lambda: f"a quarter is done: {done()}")
    street.kill("counter")
    assert done() < ALL
    street.start("counter")
    until(lambda: len(street.settled(tenant, counter)) > ALL // 3, lambda: "a third is settled")
    street.kill("quota")
    before = street.settled(tenant, counter)
    street.start("quota")
    for one in walkers:
        one.join(90)
    assert done() == ALL and sum(one.refused for one in walkers) > 0
    street.follows(tenant, counter, ALL)
    # In the middle: something was settled before the kill, and something after it.
    assert 0 < len(before) < ALL
    assert street.settled(tenant, counter) == list(range(1, ALL + 1))
    quota = street.ask("GET", f"/v1/quotas/{counter}", tenant=tenant).json()
    assert (quota["used"], quota["version"]) == (ALL, ALL + 1)


def test_while_one_service_is_away_others_say_so_and_go_on_with_what_is_theirs(street: Street) -> None:
    tenant = street.tenant()
    counter = street.limited(tenant)
    street.kill("counter")
    street.says("quota", "module counter")
    street.says("edge", "module counter")
    # A reservation is decided on rows of quota alone.
    made, _ = street.insist("POST", f"/v1/quotas/{counter}/reservations", {"amount": 5}, tenant=tenant)
    assert made.status == 201, made
    refused = street.ask("GET", f"/v1/quotas/{counter}/usage", tenant=tenant)
    assert refused.status == 503 and b"counter" in refused.body
    street.start("counter")
    street.running["quota"].ready()
    street.running["edge"].ready()
    moved, _ = street.insist("POST", f"/v1/counters/{counter}/increment", {"by": 3}, tenant=tenant)
    assert moved.status == 200
    street.follows(tenant, counter, 3)
    quota = street.ask("GET", f"/v1/quotas/{counter}", tenant=tenant).json()
    assert (quota["used"], quota["reserved"]) == (3, 2)


def test_what_went_to_the_archive_while_quota_was_away_is_read_from_there(street: Street) -> None:
    tenant = street.tenant()
    counter = street.limited(tenant)
    street.stop("quota")
    for _ in range(30):
        street.insist("POST", f"/v1/counters/{counter}/increment", tenant=tenant)
    street.stop("counter")
    street.launch("counter", ARMATURE_RETENTION__LOG_DAYS="0.0000001", ARMATURE_RETENTION__SEGMENT_EVENTS="7").ready()
    of_counter = "select count(*) from armature_outbox where stream = ?"
    stream = f"counter/{UUID(counter)}"
    until(
        lambda: street.rows("", of_counter, stream)[0][0] < 10, lambda: f"most is archived: {street.rows('', of_counter, stream)}"
    )
    assert street.settled(tenant, counter) == []
    street.start("quota")
    street.follows(tenant, counter, 30)
    assert street.settled(tenant, counter) == list(range(1, 31))
    street.stop("counter")
    street.start("counter")


def test_events_that_are_too_much_for_one_message_are_read_in_several(street: Street) -> None:
    tenant = street.tenant()
    counter = street.limited(tenant)
    street.kill("quota")
    for _ in range(50):
        street.insist("POST", f"/v1/counters/{counter}/increment", tenant=tenant)
    large = "json_set(payload, '$.not_of_this_release', hex(zeroblob(60000)))"
    street.rows("", f"update armature_outbox set payload = {large} where stream = ?", f"counter/{UUID(counter)}")
    # A message between processes has four megabytes at most.
    ((size,),) = street.rows("", "select sum(length(payload)) from armature_outbox where stream = ?", f"counter/{UUID(counter)}")
    assert size > 5_000_000
    street.start("quota")
    street.follows(tenant, counter, 50)
    assert street.settled(tenant, counter) == list(range(1, 51))


def test_a_hole_in_the_other_services_archive_is_told_by_name(tmp_path: Path) -> None:
    with Street() as street:
        tenant = street.tenant()
        counter = street.limited(tenant)
        street.stop("quota")
        for _ in range(20):
            street.insist("POST", f"/v1/counters/{counter}/increment", tenant=tenant)
        street.stop("counter")
        street.launch("counter", ARMATURE_RETENTION__LOG_DAYS="0.0000001", ARMATURE_RETENTION__SEGMENT_EVENTS="7").ready()
        until(lambda: len(list((street.data / "archive").glob("*"))) >= 2, lambda: "two segments are archived")
        segments = sorted((street.data / "archive").glob("*"))
        until(lambda: street.rows("", "select id from armature_outbox where id <= 14") == [], lambda: "they are trimmed")
        segments[1].rename(tmp_path / segments[1].name)
        street.launch("quota")
        street.says("quota", "the log of module 'counter'")
        street.says("quota", segments[1].name)
        (tmp_path / segments[1].name).rename(segments[1])
        street.running["quota"].ready()
        street.follows(tenant, counter, 20)
