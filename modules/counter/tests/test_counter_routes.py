"""Every route of counters as a caller sees it, through the real application on a real database."""

from typing import Any
from uuid import uuid4

import pytest

from armature.testing import TestApp


async def create(app: TestApp, name: str = "visits", value: int = 0) -> str:
    """Make a counter that stands at `value`; return its address."""
    made = await app.post("/v1/counters", json={"name": name})
    if value:
        await app.post(f"{made.headers['location']}/increment", json={"by": value})
    return made.headers["location"]


async def value_of(app: TestApp, counter: str) -> int:
    found: int = (await app.get(counter)).json()["value"]
    return found


async def test_a_new_counter_says_where_it_is_and_in_which_version(app: TestApp) -> None:
    made = await app.post("/v1/counters", json={"name": " visits "})
    assert made.status == 201
    assert made.json()["name"] == "visits"
    assert made.headers["location"] == f"/v1/counters/{made.json()['id']}"
    assert made.etag == '"1"'
    assert (await app.get(made.headers["location"])).body == made.body


async def test_a_name_is_unique_within_its_tenant_alone(app: TestApp) -> None:
    await create(app)
    refused = await app.post("/v1/counters", json={"name": "visits"})
    assert (refused.status, refused.code) == (409, "counter:name_taken")
    assert (await app.post("/v1/counters", json={"name": "visits"}, tenant="acme")).status == 201


async def test_an_unchanged_counter_is_not_sent_again(app: TestApp) -> None:
    counter = await create(app)
    seen = await app.get(counter)
    again = await app.get(counter, headers={"If-None-Match": seen.etag})
    assert (again.status, again.body) == (304, b"")
    await app.post(f"{counter}/increment")
    assert (await app.get(counter, headers={"If-None-Match": seen.etag})).status == 200


async def test_a_step_is_one_when_nothing_is_said(app: TestApp) -> None:
    counter = await create(app)
    assert (await app.post(f"{counter}/increment")).json()["value"] == 1
    assert (await app.post(f"{counter}/increment", json={"by": 41})).json()["value"] == 42
    assert (await app.post(f"{counter}/decrement", json={"by": 2})).json()["value"] == 40
    moved = await app.post(f"{counter}/reset")
    assert (moved.json()["value"], moved.etag) == (0, '"5"')


async def test_a_counter_never_goes_below_zero(app: TestApp) -> None:
    counter = await create(app, value=3)
    refused = await app.post(f"{counter}/decrement", json={"by": 4})
    assert (refused.status, refused.code, refused.problem()["value"]) == (409, "counter:insufficient", 3)
    assert await value_of(app, counter) == 3


async def test_the_eleventh_reset_of_a_minute_waits_as_long_as_it_is_told(app: TestApp) -> None:
    counter = await create(app)
    for _ in range(10):
        assert (await app.post(f"{counter}/reset")).status == 200
    refused = await app.post(f"{counter}/reset")
    assert refused.status == 429
    assert (await app.post(f"{counter}/reset", actor="ann", roles="counter.writer")).status == 200
    app.clock.move(float(refused.headers["retry-after"]))
    assert (await app.post(f"{counter}/reset")).status == 200


async def test_a_transfer_moves_both_counters_or_none(app: TestApp) -> None:
    giver, taker = await create(app, "giver", 5), await create(app, "taker")
    to = taker.rpartition("/")[2]
    moved = await app.post(f"{giver}/transfer", json={"to": to, "by": 4})
    assert (moved.json()["value"], await value_of(app, taker)) == (1, 4)
    refused = await app.post(f"{giver}/transfer", json={"to": to, "by": 4})
    assert (refused.status, refused.code) == (409, "counter:insufficient")
    assert (await value_of(app, giver), await value_of(app, taker)) == (1, 4)


async def test_a_transfer_needs_another_counter_that_exists(app: TestApp) -> None:
    giver = await create(app, value=5)
    itself = await app.post(f"{giver}/transfer", json={"to": giver.rpartition("/")[2], "by": 1})
    assert (itself.status, itself.code) == (422, "counter:same")
    nowhere = await app.post(f"{giver}/transfer", json={"to": str(uuid4()), "by": 1})
    assert (nowhere.status, nowhere.code) == (404, "counter:not_found")


async def test_an_edit_keeps_what_is_absent_and_clears_what_is_null(app: TestApp) -> None:
    counter = await create(app)
    assert (await app.patch(counter, json={"note": "the front door"})).json()["note"] == "the front door"
    renamed = (await app.patch(counter, json={"name": "guests"})).json()
    assert (renamed["name"], renamed["note"]) == ("guests", "the front door")
    assert (await app.patch(counter, json={"note": None})).json()["note"] is None
    assert (await app.patch(counter, json={"name": None})).status == 422


async def test_a_counter_cannot_take_the_name_of_another(app: TestApp) -> None:
    await create(app, "visits")
    other = await create(app, "guests")
    refused = await app.patch(other, json={"name": "visits"})
    assert (refused.status, refused.code) == (409, "counter:name_taken")


async def test_a_deleted_counter_is_gone_and_its_name_is_free(app: TestApp) -> None:
    counter = await create(app)
    gone = await app.delete(counter)
    assert (gone.status, gone.body) == (204, b"")
    assert (await app.get(counter)).code == "counter:not_found"
    assert (await app.delete(counter)).code == "counter:not_found"
    assert (await app.post("/v1/counters", json={"name": "visits"})).status == 201


async def test_who_decided_on_an_old_version_is_told_so(app: TestApp) -> None:
    counter = await create(app)
    seen = (await app.get(counter)).etag
    assert (await app.post(f"{counter}/increment", headers={"If-Match": seen})).status == 200
    stale = await app.post(f"{counter}/increment", headers={"If-Match": seen})
    assert (stale.status, stale.code) == (412, "request:stale")
    assert (await app.delete(counter, headers={"If-Match": seen})).status == 412
    assert await value_of(app, counter) == 1


async def test_a_key_counts_once_and_answers_twice(app: TestApp) -> None:
    counter = await create(app)
    first = await app.post(f"{counter}/increment", json={"by": 2}, headers={"Idempotency-Key": "k1"})
    again = await app.post(f"{counter}/increment", json={"by": 2}, headers={"Idempotency-Key": '"k1"'})
    assert again.body == first.body
    assert again.headers["idempotent-replayed"] == "true"
    other = await app.post(f"{counter}/increment", json={"by": 3}, headers={"Idempotency-Key": "k1"})
    assert other.status == 422
    assert await value_of(app, counter) == 2


async def test_a_key_is_forgotten_after_a_day(app: TestApp) -> None:
    counter = await create(app)
    for value in (1, 2):
        moved = await app.post(f"{counter}/increment", headers={"Idempotency-Key": "k1"})
        assert moved.json()["value"] == value
        app.clock.move(24 * 3600 + 1)


@pytest.mark.parametrize("route", ["", "/history"])
async def test_a_counter_that_never_was_cannot_be_read(app: TestApp, route: str) -> None:
    await app.settled()
    refused = await app.get(f"/v1/counters/{uuid4()}{route}")
    assert (refused.status, refused.code) == (404, "counter:not_found")


@pytest.mark.parametrize("verb", ["increment", "decrement", "reset"])
async def test_a_counter_that_never_was_cannot_be_moved(app: TestApp, verb: str) -> None:
    refused = await app.post(f"/v1/counters/{uuid4()}/{verb}")
    assert (refused.status, refused.code) == (404, "counter:not_found")


WRONG: list[tuple[str, str, Any, list[str]]] = [
    ("POST", "", {"name": "a", "colour": "red"}, ["colour"]),
    ("POST", "", {}, ["name"]),
    ("POST", "", {"name": "   "}, ["name"]),
    ("POST", "", {"name": "x" * 81}, ["name"]),
    ("POST", "", {"name": 7, "note": []}, ["name", "note"]),
    ("POST", "/{id}/increment", {"by": 0}, ["by"]),
    ("POST", "/{id}/increment", {"by": 1.5}, ["by"]),
    ("POST", "/{id}/decrement", {"by": "1"}, ["by"]),
    ("POST", "/{id}/transfer", {"to": "nobody", "by": True}, ["by", "to"]),
    ("PATCH", "/{id}", {"note": 5, "value": 9}, ["note", "value"]),
]


@pytest.mark.parametrize(("method", "route", "body", "paths"), WRONG)
async def test_every_wrong_field_is_named(app: TestApp, method: str, route: str, body: Any, paths: list[str]) -> None:
    send = app.post if method == "POST" else app.patch
    refused = await send("/v1/counters" + route.format(id=uuid4()), json=body)
    assert refused.status == 422
    assert sorted(error["path"] for error in refused.problem()["errors"]) == paths


async def test_an_id_that_is_none_is_named_too(app: TestApp) -> None:
    refused = await app.get("/v1/counters/seven")
    assert refused.status == 422
    assert [error["path"] for error in refused.problem()["errors"]] == ["counter_id"]
