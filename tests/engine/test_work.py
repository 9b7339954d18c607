"""Mistakes of a module are told apart from conflicts: found at the call, with the places named, and without effect."""

import pytest

from tests.engine import probe
from tests.engine.rack import add, count, rack


async def test_reading_what_was_planned_is_a_bug_with_both_places() -> None:
    async with rack() as app:
        item = await add(app, "a")
        answer = await app.post(f"/v1/items/{item}/read-after-plan")
        words = answer.problem()["details"]
        assert (answer.status, answer.code) == (500, "system:bug")
        assert words.startswith("ReadAfterPlan")
        assert "rack/repository.py" in words and "rack/service.py" in words
        assert probe.runs["read_after_plan"] == 1, "a bug is not repeated as a conflict would be"
        assert (await app.get(f"/v1/items/{item}")).etag == '"1"'


async def test_planning_one_row_twice_is_a_bug_with_both_places() -> None:
    async with rack() as app:
        item = await add(app, "a")
        answer = await app.post(f"/v1/items/{item}/planned-twice")
        words = answer.problem()["details"]
        assert words.startswith("PlannedTwice")
        assert words.count("rack/service.py") == 2
        assert (answer.status, probe.runs["planned_twice"]) == (500, 1)
        assert (await app.get(f"/v1/items/{item}")).etag == '"1"'


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/v1/many", {"count": 501}, "501 statements; at most 500"),
        ("/v1/many", {"count": 3, "letters": 400_000}, "bytes; at most 1048576"),
    ],
)
async def test_a_unit_larger_than_a_commit_is_refused_with_the_cure(path: str, body: dict[str, int], words: str) -> None:
    async with rack() as app:
        answer = await app.post(path, json=body)
        assert (answer.status, answer.code) == (500, "system:bug")
        assert words in answer.problem()["details"]
        assert "job that runs in chunks" in answer.problem()["details"]


async def test_a_unit_as_large_as_a_commit_is_taken() -> None:
    async with rack() as app:
        assert (await app.post("/v1/many", json={"count": 500})).status == 200


async def test_a_statement_that_touches_more_rows_than_a_commit_may_is_undone_and_refused() -> None:
    async with rack(COMMANDS__UNIT_ROWS_MAX="3") as app:
        items = [await add(app, name) for name in "abc"]
        assert (await app.post("/v1/shrink-all")).status == 200
        items.append(await add(app, "d"))
        answer = await app.post("/v1/shrink-all")
        assert (answer.status, answer.code) == (500, "system:bug")
        assert "4 rows by now; at most 3" in answer.problem()["details"]
        assert [(await app.get(f"/v1/items/{item}")).etag for item in items] == ['"2"', '"2"', '"2"', '"1"']


async def test_a_query_that_plans_is_a_bug() -> None:
    async with rack() as app:
        await add(app, "a")
        answer = await app.get("/v1/plans")
        assert (answer.status, answer.code) == (500, "system:bug")
        assert "rack.plans" in answer.problem()["details"]
        assert await count(app) == 1
