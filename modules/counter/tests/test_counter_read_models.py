"""What counters look like over time and together, from their events alone."""

from armature.testing import TestApp


async def test_a_history_has_one_line_for_each_version(app: TestApp) -> None:
    counter = (await app.post("/v1/counters", json={"name": "visits"})).headers["location"]
    await app.post(f"{counter}/increment", json={"by": 5})
    await app.post(f"{counter}/decrement", json={"by": 2})
    await app.patch(counter, json={"note": "a"})
    await app.post(f"{counter}/reset")
    await app.settled()
    lines = (await app.get(f"{counter}/history")).json()["items"]
    assert [(line["version"], line["operation"], line["value"]) for line in lines] == [
        (1, "create", 0),
        (2, "increment", 5),
        (3, "decrement", 3),
        (4, "edit", 3),
        (5, "reset", 0),
    ]


async def test_a_transfer_stands_in_both_histories(app: TestApp) -> None:
    giver = await app.call("counter.create", name="giver")
    taker = await app.call("counter.create", name="taker")
    await app.call("counter.increment", counter_id=giver.id, by=5)
    await app.call("counter.transfer", counter_id=giver.id, to=taker.id, by=4)
    await app.settled()
    for counter, value in ((giver, 1), (taker, 4)):
        last = (await app.get(f"/v1/counters/{counter.id}/history")).json()["items"][-1]
        assert (last["operation"], last["value"]) == ("transfer", value)


async def test_a_history_outlives_its_counter(app: TestApp) -> None:
    made = await app.call("counter.create", name="visits")
    await app.call("counter.delete", counter_id=made.id)
    await app.settled()
    lines = (await app.get(f"/v1/counters/{made.id}/history")).json()["items"]
    assert [line["operation"] for line in lines] == ["create", "delete"]


async def test_a_history_is_read_page_by_page(app: TestApp) -> None:
    made = await app.call("counter.create", name="visits")
    for _ in range(4):
        await app.call("counter.increment", counter_id=made.id)
    await app.settled()
    versions: list[int] = []
    path = f"/v1/counters/{made.id}/history?limit=2"
    while True:
        page = (await app.get(path)).json()
        versions += [line["version"] for line in page["items"]]
        if page["next_cursor"] is None:
            break
        path = f"/v1/counters/{made.id}/history?limit=2&cursor={page['next_cursor']}"
    assert versions == [1, 2, 3, 4, 5]


async def test_a_line_is_dated_by_the_moment_of_its_change(app: TestApp) -> None:
    made = await app.call("counter.create", name="visits")
    app.clock.move(3600)
    await app.call("counter.increment", counter_id=made.id)
    await app.settled()
    first, second = (await app.get(f"/v1/counters/{made.id}/history")).json()["items"]
    assert (first["at"], second["at"]) == ("2030-01-01T00:00:00Z", "2030-01-01T01:00:00Z")


async def test_totals_are_those_of_the_tenant_and_shrink_with_it(app: TestApp) -> None:
    kept = await app.call("counter.create", name="kept")
    gone = await app.call("counter.create", name="gone")
    await app.call("counter.increment", counter_id=kept.id, by=5)
    await app.call("counter.increment", counter_id=gone.id, by=7)
    await app.call("counter.create", name="theirs", as_tenant="acme")
    await app.settled()
    assert (await app.get("/v1/counters/totals")).json() == {"counters": 2, "value": 12, "changes": 4}
    await app.call("counter.delete", counter_id=gone.id)
    await app.settled()
    assert (await app.get("/v1/counters/totals")).json() == {"counters": 1, "value": 5, "changes": 5}


async def test_a_tenant_without_counters_has_totals_of_zero(app: TestApp) -> None:
    await app.settled()
    assert (await app.get("/v1/counters/totals", tenant="nobody")).json() == {"counters": 0, "value": 0, "changes": 0}


async def test_a_refused_command_tells_nothing(app: TestApp) -> None:
    made = await app.call("counter.create", name="visits")
    await app.post(f"/v1/counters/{made.id}/decrement")
    assert [event.type for event in await app.events()] == ["counter.created"]


async def test_who_shows_the_position_of_a_change_sees_it(app: TestApp) -> None:
    counter = (await app.post("/v1/counters", json={"name": "visits"})).headers["location"]
    await app.settled()
    moved = await app.post(f"{counter}/increment")
    shown = {"Armature-Position": moved.headers["armature-position"]}
    lines = (await app.get(f"{counter}/history", headers=shown)).json()["items"]
    assert lines[-1]["version"] == 2
