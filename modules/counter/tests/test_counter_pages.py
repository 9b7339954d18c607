"""Lists of counters: nothing is lost or doubled, and nothing is sorted that the contract does not name."""

import pytest

from armature.testing import TestApp


async def fill(app: TestApp, *names: str) -> None:
    for name in names:
        await app.call("counter.create", name=name)


async def names(app: TestApp, query: str) -> list[str]:
    return [one["name"] for one in (await app.get(f"/v1/counters?{query}")).json()["items"]]


async def test_the_first_page_of_nothing_is_the_last(app: TestApp) -> None:
    assert (await app.get("/v1/counters")).json() == {"items": [], "next_cursor": None}


async def test_rows_that_come_while_one_turns_pages_are_neither_lost_nor_doubled(app: TestApp) -> None:
    await fill(app, *(f"c{number}" for number in range(7)))
    seen: list[str] = []
    path = "/v1/counters?limit=3"
    for turn in range(10):
        page = (await app.get(path)).json()
        seen += [one["name"] for one in page["items"]]
        if page["next_cursor"] is None:
            break
        if turn < 2:
            await fill(app, f"late{turn}")
        path = f"/v1/counters?limit=3&cursor={page['next_cursor']}"
    assert seen == [*(f"c{number}" for number in range(7)), "late0", "late1"]


async def test_a_full_last_page_does_not_promise_another(app: TestApp) -> None:
    await fill(app, "a", "b")
    assert (await app.get("/v1/counters?limit=2")).json()["next_cursor"] is None


async def test_thirty_are_sent_when_nothing_is_said(app: TestApp) -> None:
    await fill(app, *(f"c{number}" for number in range(31)))
    page = (await app.get("/v1/counters")).json()
    assert len(page["items"]) == 30
    assert page["next_cursor"]


@pytest.mark.parametrize("limit", ["0", "201", "-1", "many", ""])
async def test_a_limit_has_limits(app: TestApp, limit: str) -> None:
    refused = await app.get(f"/v1/counters?limit={limit}")
    assert refused.status == 422
    assert [error["path"] for error in refused.problem()["errors"]] == ["limit"]


async def test_a_cursor_opens_one_tenants_list_only(app: TestApp) -> None:
    await fill(app, "a", "b")
    cursor = (await app.get("/v1/counters?limit=1")).json()["next_cursor"]
    assert (await app.get(f"/v1/counters?cursor={cursor}", tenant="acme")).status == 422
    assert (await app.get(f"/v1/counters?cursor={cursor[:-1]}")).status == 422
    assert (await app.get(f"/v1/counters?cursor={cursor}")).status == 200


async def test_a_cursor_survives_a_restart(app: TestApp) -> None:
    await fill(app, "a", "b")
    cursor = (await app.get("/v1/counters?limit=1")).json()["next_cursor"]
    await app.restart()
    assert await names(app, f"cursor={cursor}") == ["b"]


async def test_numbered_pages_say_how_many_there_are(app: TestApp) -> None:
    await fill(app, "b", "c", "a")
    page = (await app.get("/v1/counters?page=0&size=2&sort=name&order=asc")).json()
    assert [one["name"] for one in page.pop("items")] == ["a", "b"]
    assert page == {"page": 0, "size": 2, "total": 3}
    assert await names(app, "page=1&size=2&sort=name") == ["c"]
    assert await names(app, "page=2&size=2&sort=name") == []


@pytest.mark.parametrize(
    ("query", "order"),
    [
        ("sort=name&order=desc", "cba"),
        ("sort=value", "cab"),
        ("sort=value&order=desc", "bac"),
        ("sort=created&order=desc", "acb"),
    ],
)
async def test_a_numbered_page_has_the_order_that_was_asked_for(app: TestApp, query: str, order: str) -> None:
    for name, value in (("b", 9), ("c", 1), ("a", 5)):
        made = await app.call("counter.create", name=name)
        await app.call("counter.increment", counter_id=made.id, by=value)
    assert "".join(await names(app, f"page=0&{query}")) == order


@pytest.mark.parametrize("query", ["page=0", "sort=name", "order=desc"])
async def test_a_cursor_and_a_number_exclude_each_other(app: TestApp, query: str) -> None:
    await fill(app, "a", "b")
    cursor = (await app.get("/v1/counters?limit=1")).json()["next_cursor"]
    refused = await app.get(f"/v1/counters?cursor={cursor}&{query}")
    assert refused.status == 422
    assert [error["path"] for error in refused.problem()["errors"]] == ["cursor"]


async def test_only_what_the_contract_names_can_be_sorted_by(app: TestApp) -> None:
    refused = await app.get("/v1/counters?page=0&sort=note")
    assert refused.status == 422
    assert [error["path"] for error in refused.problem()["errors"]] == ["sort"]
