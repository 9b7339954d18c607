"""Who may see and do what: tenants, actors and roles."""

from uuid import uuid4

import pytest

from armature.testing import Response, TestApp

# What differs in any two refusals: when it was, and which address was asked.
_OWN = ("timestamp", "instance", "counter_id", "detail")


def told(answer: Response) -> dict[str, object]:
    """What a refusal says apart from when and about which id."""
    return {name: value for name, value in answer.problem().items() if name not in _OWN} | {"status": answer.status}


@pytest.mark.parametrize("route", ["", "/increment", "/decrement", "/reset", "/history"])
async def test_anothers_counter_answers_as_one_that_never_was(app: TestApp, route: str) -> None:
    made = await app.call("counter.create", name="secret")
    await app.settled()
    send = app.get if route in ("", "/history") else app.post
    theirs = await send(f"/v1/counters/{made.id}{route}", tenant="acme")
    nobodys = await send(f"/v1/counters/{uuid4()}{route}", tenant="acme")
    assert theirs.status == 404
    assert told(theirs) == told(nobodys)
    assert set(theirs.headers) == set(nobodys.headers)


async def test_nothing_can_be_moved_into_another_tenant(app: TestApp) -> None:
    theirs = await app.call("counter.create", name="theirs", as_tenant="acme")
    ours = await app.call("counter.create", name="ours")
    await app.call("counter.increment", counter_id=ours.id, by=5)
    refused = await app.post(f"/v1/counters/{ours.id}/transfer", json={"to": str(theirs.id), "by": 1})
    assert refused.code == "counter:not_found"
    assert (await app.get(f"/v1/counters/{ours.id}")).json()["value"] == 5


async def test_a_list_holds_ones_own_counters_only(app: TestApp) -> None:
    await app.call("counter.create", name="ours")
    await app.call("counter.create", name="theirs", as_tenant="acme")
    page = (await app.get("/v1/counters", tenant="acme")).json()
    assert [one["name"] for one in page["items"]] == ["theirs"]


async def test_a_key_belongs_to_its_tenant(app: TestApp) -> None:
    for tenant in ("acme", "bolt"):
        made = await app.post("/v1/counters", json={"name": "a"}, headers={"Idempotency-Key": "k1"}, tenant=tenant)
        assert made.status == 201
        assert "idempotent-replayed" not in made.headers


async def test_somebody_unknown_is_asked_who_they_are(app: TestApp) -> None:
    refused = await app.get("/v1/counters", actor="none")
    assert refused.status == 401


@pytest.mark.parametrize("route", ["", "/totals", "/{id}", "/{id}/history"])
async def test_a_reader_reads_everything(app: TestApp, route: str) -> None:
    made = await app.call("counter.create", name="visits")
    await app.settled()
    found = await app.get("/v1/counters" + route.format(id=made.id), actor="ann", roles="counter.reader")
    assert found.status == 200


WRITES = [
    ("POST", ""),
    ("PATCH", "/{id}"),
    ("DELETE", "/{id}"),
    *(("POST", f"/{{id}}/{verb}") for verb in ("increment", "decrement", "reset", "transfer")),
]


@pytest.mark.parametrize(("method", "route"), WRITES)
async def test_a_reader_changes_nothing(app: TestApp, method: str, route: str) -> None:
    made = await app.call("counter.create", name="visits")
    headers = {"X-Actor": "ann", "X-Roles": "counter.reader"}
    refused = await app.request(method, "/v1/counters" + route.format(id=made.id), headers=headers)
    assert (refused.status, refused.problem()["permission"]) == (403, "counter:write")
    assert await app.call("counter.get", counter_id=made.id) == made


async def test_a_writer_may_write(app: TestApp) -> None:
    assert (await app.post("/v1/counters", json={"name": "a"}, actor="ann", roles="counter.writer")).status == 201


async def test_a_role_that_nobody_defined_permits_nothing(app: TestApp) -> None:
    assert (await app.get("/v1/counters", actor="ann", roles="admin")).status == 403


async def test_one_who_may_not_learns_nothing_of_the_fields(app: TestApp) -> None:
    refused = await app.post("/v1/counters", json={"colour": "red"}, actor="ann", roles="counter.reader")
    assert refused.status == 403
