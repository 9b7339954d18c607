"""Every route of quotas as a caller sees it, through the real application on a real database."""

from typing import Any
from uuid import uuid4

import pytest

from armature.testing import TestApp


async def limited(app: TestApp, allowed: int = 10, value: int = 0) -> str:
    """Make a counter that stands at `value` and may go up to `allowed`; return the address of its quota."""
    made = await app.call("counter.create", name=f"visits {uuid4()}")
    if value:
        await app.call("counter.increment", counter_id=made.id, by=value)
    assert (await app.put(f"/v1/quotas/{made.id}", json={"allowed": allowed})).status == 200
    return f"/v1/quotas/{made.id}"


async def test_a_limit_is_set_for_a_counter_that_exists(app: TestApp) -> None:
    quota = await limited(app, 10, value=3)
    found = await app.get(quota)
    assert {name: found.json()[name] for name in ("allowed", "used", "reserved", "version")} == {
        "allowed": 10,
        "used": 3,
        "reserved": 0,
        "version": 1,
    }
    assert found.etag == '"1"'


async def test_the_neighbours_refusal_comes_through_as_it_is(app: TestApp) -> None:
    nobodys = uuid4()
    refused = await app.put(f"/v1/quotas/{nobodys}", json={"allowed": 1})
    assert (refused.status, refused.code) == (404, "counter:not_found")
    assert refused.problem()["counter_id"] == str(nobodys)


async def test_a_limit_is_moved_by_who_saw_the_last_one(app: TestApp) -> None:
    quota = await limited(app, 10)
    seen = (await app.get(quota)).etag
    assert (await app.put(quota, json={"allowed": 20}, headers={"If-Match": seen})).json()["allowed"] == 20
    stale = await app.put(quota, json={"allowed": 30}, headers={"If-Match": seen})
    assert (stale.status, stale.code) == (412, "request:stale")


async def test_what_is_reserved_counts_until_it_is_given_up(app: TestApp) -> None:
    quota = await limited(app, 10, value=3)
    made = await app.post(f"{quota}/reservations", json={"amount": 5})
    assert (made.status, made.json()["held"], made.json()["expires_at"]) == (201, 5, "2030-01-01T00:10:00Z")
    refused = await app.post(f"{quota}/reservations", json={"amount": 3})
    assert (refused.status, refused.code, refused.problem()["left"]) == (409, "quota:exceeded", 2)
    assert (await app.delete(f"{quota}/reservations/{made.json()['id']}")).status == 204
    assert (await app.post(f"{quota}/reservations", json={"amount": 7})).status == 201


async def test_a_reservation_is_given_up_once(app: TestApp) -> None:
    quota = await limited(app)
    made = (await app.post(f"{quota}/reservations")).json()["id"]
    assert (await app.delete(f"{quota}/reservations/{made}")).status == 204
    again = await app.delete(f"{quota}/reservations/{made}")
    assert (again.status, again.code) == (404, "quota:no_reservation")


async def test_an_expired_reservation_makes_room_for_the_next(app: TestApp) -> None:
    quota = await limited(app, 10)
    await app.post(f"{quota}/reservations", json={"amount": 10, "seconds": 60})
    assert (await app.post(f"{quota}/reservations")).code == "quota:exceeded"
    app.clock.move(60)
    assert (await app.post(f"{quota}/reservations", json={"amount": 4})).status == 201
    assert [one["amount"] for one in (await app.get(f"{quota}/reservations")).json()["items"]] == [4]
    assert (await app.get(quota)).json()["reserved"] == 4
    told = [event.type for event in await app.events()]
    assert told[-3:] == ["quota.reserved", "quota.released", "quota.reserved"]


async def test_open_reservations_are_read_page_by_page(app: TestApp) -> None:
    quota = await limited(app, 100)
    for amount in (1, 2, 3):
        await app.post(f"{quota}/reservations", json={"amount": amount})
    page = (await app.get(f"{quota}/reservations?limit=2")).json()
    rest = (await app.get(f"{quota}/reservations?limit=2&cursor={page['next_cursor']}")).json()
    assert [one["amount"] for one in page["items"] + rest["items"]] == [1, 2, 3]
    assert rest["next_cursor"] is None


async def test_a_key_reserves_once(app: TestApp) -> None:
    quota = await limited(app)
    first = await app.post(f"{quota}/reservations", headers={"Idempotency-Key": "k1"})
    again = await app.post(f"{quota}/reservations", headers={"Idempotency-Key": "k1"})
    assert (again.body, again.headers["idempotent-replayed"]) == (first.body, "true")
    assert (await app.get(quota)).json()["reserved"] == 1


@pytest.mark.parametrize(
    ("method", "route"), [("GET", ""), ("GET", "/usage"), ("GET", "/reservations"), ("POST", "/reservations")]
)
async def test_a_counter_without_a_limit_has_no_quota(app: TestApp, method: str, route: str) -> None:
    made = await app.call("counter.create", name="visits")
    refused = await app.request(method, f"/v1/quotas/{made.id}{route}")
    assert (refused.status, refused.code) == (404, "quota:not_found")


WRONG: list[tuple[str, str, Any, list[str]]] = [
    ("PUT", "", {}, ["allowed"]),
    ("PUT", "", {"allowed": -1, "used": 3}, ["allowed", "used"]),
    ("POST", "/reservations", {"amount": 0}, ["amount"]),
    ("POST", "/reservations", {"amount": 1, "seconds": 86_401}, ["seconds"]),
]


@pytest.mark.parametrize(("method", "route", "body", "paths"), WRONG)
async def test_every_wrong_field_is_named(app: TestApp, method: str, route: str, body: Any, paths: list[str]) -> None:
    send = app.put if method == "PUT" else app.post
    refused = await send(f"/v1/quotas/{uuid4()}{route}", json=body)
    assert refused.status == 422
    assert sorted(error["path"] for error in refused.problem()["errors"]) == paths
