"""TestApp is the real process, minus the socket and the wall clock; what a test leans on must hold."""

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from armature.kernel.failure import Failure
from armature.testing import Clock, Response, TestApp

ROOT = Path(__file__).parents[2]


async def test_every_application_has_a_database_of_its_own_that_is_thrown_away() -> None:
    async with TestApp(ROOT) as one, TestApp(ROOT) as other:
        await one.call("counter.create", name="visits")
        assert (await other.get("/v1/counters")).json()["items"] == []
        assert one.data.exists()
    assert not one.data.exists()


async def test_a_folder_that_was_given_is_kept(tmp_path: Path) -> None:
    async with TestApp(ROOT, data=tmp_path / "data") as app:
        made = await app.call("counter.create", name="visits")
    async with TestApp(ROOT, data=tmp_path / "data") as again:
        assert await again.call("counter.get", counter_id=made.id) == made


async def test_a_restart_keeps_what_was_committed_and_forgets_what_was_remembered(app: TestApp) -> None:
    made = await app.call("counter.create", name="visits")
    for _ in range(10):
        await app.post(f"/v1/counters/{made.id}/reset")
    assert (await app.post(f"/v1/counters/{made.id}/reset")).status == 429
    await app.restart()
    assert (await app.post(f"/v1/counters/{made.id}/reset")).status == 200


async def test_ids_go_on_over_restarts_though_the_clock_stands_still(app: TestApp) -> None:
    ids = []
    for number in range(6):  # by chance alone, one of 720 orders is right
        ids.append((await app.call("counter.create", name=f"c{number}")).id)
        await app.restart()
    assert ids == sorted(ids)


async def test_the_clock_stands_still_until_it_is_moved(app: TestApp) -> None:
    await app.call("counter.create", name="first")
    await app.call("counter.create", name="second")
    app.clock.move(1.5)
    made = await app.call("counter.create", name="third")
    assert milliseconds(made.id) - app.clock.seconds() * 1_000 == 0
    assert app.clock.now() == datetime(2030, 1, 1, 0, 0, 1, 500_000, UTC)


def milliseconds(made: UUID) -> int:
    return made.int >> 80


def test_a_clock_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        Clock(datetime(2030, 1, 1))


async def test_a_call_is_refused_as_any_other_is(app: TestApp) -> None:
    with pytest.raises(Failure) as refused:
        await app.call("counter.get", counter_id=UUID(int=1))
    assert refused.value.code == "counter:not_found"
    with pytest.raises(Failure) as refused:
        await app.call("counter.create", colour="red")
    assert refused.value.code == "request:invalid"


async def test_the_log_is_told_oldest_first(app: TestApp) -> None:
    made = await app.call("counter.create", name="visits", as_tenant="acme")
    await app.call("counter.increment", counter_id=made.id, by=2, as_tenant="acme")
    created, changed = await app.events()
    assert (created.position, created.type, created.tenant, created.version) == (1, "counter.created", "acme", 1)
    assert changed.data["delta"] == 2


async def test_settled_is_at_once_true_of_an_empty_log(app: TestApp) -> None:
    await app.settled()
    assert (await app.get("/v1/counters/totals")).json()["counters"] == 0


async def test_policies_are_set_as_variables() -> None:
    async with TestApp(ROOT, environ={"ARMATURE_HTTP__PREFIX": "/api"}) as app:
        assert (await app.get("/api/counters")).status == 200
        assert (await app.get("/v1/counters")).status == 404


async def test_paths_may_hold_what_people_type(app: TestApp) -> None:
    refused = await app.get("/v1/counters?name=ä b")
    assert [error["path"] for error in refused.problem()["errors"]] == ["name"]


async def test_a_closed_application_says_so() -> None:
    app = TestApp(ROOT)
    with pytest.raises(RuntimeError, match="async with TestApp"):
        await app.get("/v1/counters")
    with pytest.raises(RuntimeError, match="async with TestApp"):
        await app.settled()
    await app.close()


async def test_who_asks_a_good_answer_for_its_refusal_is_shown_it(app: TestApp) -> None:
    made = await app.post("/v1/counters", json={"name": "visits"})
    with pytest.raises(AssertionError, match="expected a refusal, got 201"):
        made.problem()
    with pytest.raises(AssertionError, match="without a JSON body"):
        Response(200, {}, b"<html>").json()
