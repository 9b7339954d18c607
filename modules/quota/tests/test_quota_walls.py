"""Who may see and do what; and in whose name the neighbour is asked."""

from uuid import uuid4

import pytest

from armature.testing import TestApp


async def limited(app: TestApp) -> str:
    made = await app.call("counter.create", name="visits")
    await app.call("quota.set_limit", counter_id=made.id, allowed=10)
    return f"/v1/quotas/{made.id}"


async def test_a_reader_of_quotas_sees_use_without_seeing_counters(app: TestApp) -> None:
    quota = await limited(app)
    seen = await app.get(f"{quota}/usage", actor="ann", roles="quota.reader")
    assert (seen.status, seen.json()["name"], seen.json()["left"]) == (200, "visits", 10)
    assert (await app.get(quota.replace("quotas", "counters"), actor="ann", roles="quota.reader")).status == 403


async def test_a_writer_of_quotas_needs_no_counters_to_set_a_limit(app: TestApp) -> None:
    quota = await limited(app)
    assert (await app.put(quota, json={"allowed": 5}, actor="ann", roles="quota.writer")).status == 200


@pytest.mark.parametrize(
    ("method", "route"),
    [("PUT", ""), ("POST", "/reservations"), ("DELETE", "/reservations/00000000-0000-7000-8000-000000000001")],
)
async def test_a_reader_changes_nothing(app: TestApp, method: str, route: str) -> None:
    quota = await limited(app)
    headers = {"X-Actor": "ann", "X-Roles": "quota.reader"}
    refused = await app.request(method, f"{quota}{route}", headers=headers)
    assert (refused.status, refused.problem()["permission"]) == (403, "quota:write")


@pytest.mark.parametrize("route", ["", "/usage", "/reservations"])
async def test_anothers_quota_answers_as_one_that_never_was(app: TestApp, route: str) -> None:
    quota = await limited(app)
    for address in (quota, f"/v1/quotas/{uuid4()}"):
        refused = await app.get(f"{address}{route}", tenant="acme")
        assert (refused.status, refused.code) == (404, "quota:not_found")


async def test_nobody_can_set_a_limit_for_anothers_counter(app: TestApp) -> None:
    quota = await limited(app)
    assert (await app.put(quota, json={"allowed": 1}, tenant="acme")).code == "counter:not_found"
