"""A command decides, commits once, and every way in which that can end has its own answer."""

import asyncio
from time import monotonic
from uuid import UUID

import msgspec
import pytest

from armature.kernel.refusals import DeadlineExceeded
from tests.engine import probe
from tests.engine.rack import add, at_gate, call, count, handed_over, locked, rack, run


async def test_sixty_four_callers_of_one_row_all_succeed_in_two_runs_each_at_most() -> None:
    async with rack() as app:
        item = await add(app, "hot")
        answers = await asyncio.gather(*(app.post(f"/v1/items/{item}/grow") for _ in range(64)))
        assert [a.status for a in answers] == [200] * 64
        assert sorted(a.json()["version"] for a in answers) == list(range(2, 66))
        assert (await app.get(f"/v1/items/{item}")).json()["size"] == 64
        assert 64 < probe.runs["grow"] <= 128, "without a conflict the test proves nothing"


async def test_an_if_match_that_is_stale_is_refused_after_one_run() -> None:
    async with rack() as app:
        item = await add(app, "a")
        fresh = await app.post(f"/v1/items/{item}/grow", headers={"if-match": '"1"'})
        stale = await app.post(f"/v1/items/{item}/grow", headers={"if-match": '"1"'})
        assert (fresh.status, fresh.etag, stale.status, stale.code) == (200, '"2"', 412, "request:stale")
        assert stale.problem()["current"] == '"2"'
        assert probe.runs["grow"] == 2


async def test_an_if_match_that_turns_stale_while_the_command_decides_is_refused_without_a_second_run() -> None:
    async with rack() as app:
        item = await add(app, "a")
        async with at_gate("grow", app.post(f"/v1/items/{item}/grow", headers={"if-match": '"1"'})) as held:
            assert (await app.post(f"/v1/items/{item}/grow")).status == 200
        assert (await held).code == "request:stale"
        assert probe.runs["grow"] == 2
        assert (await app.get(f"/v1/items/{item}")).json()["size"] == 1


@pytest.mark.parametrize("value", ["1", 'W/"1"', '"1", "2"', ""])
async def test_an_if_match_that_is_no_strong_tag_is_refused(value: str) -> None:
    async with rack() as app:
        item = await add(app, "a")
        answer = await app.post(f"/v1/items/{item}/grow", headers={"if-match": value})
        assert (answer.status, answer.problem()["errors"][0]["path"]) == (422, "If-Match")


async def test_an_if_match_is_refused_where_nothing_is_compared() -> None:
    async with rack() as app:
        item = await add(app, "a")
        for path in ("/v1/items", f"/v1/items/{item}/beside"):
            answer = await app.post(path, json={"name": "b"}, headers={"if-match": '"1"'})
            assert (answer.status, answer.problem()["errors"][0]["path"]) == (422, "If-Match")
        answer = await app.get(f"/v1/items/{item}", headers={"if-match": '"1"'})
        assert answer.status == 422
        assert await count(app) == 1


async def test_a_deadline_that_passes_while_the_command_decides_leaves_certainly_nothing() -> None:
    async with rack() as app:
        async with at_gate("patient", app.post("/v1/patient", json={"name": "late"})) as held:
            answer = await held
        assert (answer.status, answer.code) == (504, "system:deadline")
        assert (await app.post("/v1/items", json={"name": "late"})).status == 201, "the name is still free"


async def test_a_deadline_that_passes_while_the_unit_waits_for_its_batch_leaves_certainly_nothing() -> None:
    async with rack() as app:
        made = call(app, "rack.add", seconds=0.05)
        with locked(app):
            held = asyncio.create_task(run(app, made, {"name": "a"}))
            await handed_over(made)
            assert not made.in_hand
            with pytest.raises(DeadlineExceeded):
                await held  # the file stays locked: nobody has to let go of it first
        assert await count(app) == 0


async def test_a_deadline_that_passes_in_a_turn_ends_the_turn_without_effect() -> None:
    async with rack(COMMANDS__TURN_SECONDS="60", COMMANDS__HOT_ROW_SECONDS="30") as app:
        item = await add(app, "a")
        made = call(app, "rack.grow")
        async with at_gate("grow", run(app, made, {"item_id": item})) as held:
            assert (await app.post(f"/v1/items/{item}/grow")).status == 200
            second = probe.gates["grow"] = probe.Gate()
        # It lost, and decides again while it holds the row; there its time ends.
        await second.reached.wait()
        made.deadline = monotonic() - 1
        with pytest.raises(DeadlineExceeded):
            await held
        del probe.gates["grow"]
        assert (await app.post(f"/v1/items/{item}/grow")).json()["size"] == 2, "the writer is free, and the late one did nothing"
        second.open.set()
        assert (await app.post(f"/v1/items/{item}/grow")).json()["size"] == 3


class Gone:
    """Has left, as somebody can see who looks after `patience` looks."""

    def __init__(self, patience: int = 0) -> None:
        self.patience = patience
        self.looks = 0

    @property
    def gone(self) -> bool:
        self.looks += 1
        return self.looks > self.patience


async def test_a_caller_who_leaves_before_the_batch_is_formed_has_no_effect() -> None:
    async with rack() as app:
        with pytest.raises(DeadlineExceeded):
            await run(app, call(app, "rack.add", caller=Gone()), {"name": "a"})
        assert (probe.runs["add"], await count(app)) == (1, 0)


async def test_a_caller_who_leaves_later_is_carried_through() -> None:
    async with rack() as app:
        answer = await run(app, call(app, "rack.add", caller=Gone(patience=1)), {"name": "a"})
        assert answer.result.name == "a"
        assert await count(app) == 1


async def test_a_caller_who_leaves_while_the_command_decides_ends_it() -> None:
    async with rack() as app:
        far = Gone(patience=1_000_000)
        async with at_gate("add", run(app, call(app, "rack.add", caller=far), {"name": "a"})) as held:
            far.patience = 0
            with pytest.raises(DeadlineExceeded):
                await held
        assert await count(app) == 0


async def test_a_guard_that_finds_nothing_at_commit_makes_the_command_decide_again() -> None:
    async with rack() as app:
        item = await add(app, "a")
        async with at_gate("beside", app.post(f"/v1/items/{item}/beside", json={"name": "b"})) as held:
            assert (await app.post(f"/v1/items/{item}/drop")).status == 204
        assert (await held).code == "rack:no_item"
        assert probe.runs["beside"] == 2
        assert (await app.post("/v1/items", json={"name": "b"})).status == 201, "nothing of the first run is left"


async def test_failed_units_among_many_fail_alone() -> None:
    async with rack() as app:
        await add(app, "taken")
        names = ["taken" if n % 3 == 0 else f"n{n}" for n in range(48)]
        answers = await asyncio.gather(*(app.post("/v1/items", json={"name": name}) for name in names))
        assert [a.status for a in answers] == [409 if name == "taken" else 201 for name in names]
        assert {a.code for a in answers if a.status == 409} == {"rack:name_taken"}
        assert await count(app) == 1 + 32


async def test_a_version_that_never_was_is_a_bug_and_not_a_storm() -> None:
    async with rack() as app:
        item = await add(app, "a")
        answer = await app.post(f"/v1/items/{item}/lost-for-ever")
        assert (answer.status, answer.code) == (500, "system:bug")
        assert "rack/repository.py" in answer.problem()["details"]
        assert probe.runs["lost_for_ever"] == 1 + 3


async def test_without_re_runs_contention_is_said_to_be_contention() -> None:
    async with rack(COMMANDS__RERUNS_MAX="0") as app:
        item = await add(app, "a")
        async with at_gate("grow", app.post(f"/v1/items/{item}/grow")) as held:
            assert (await app.post(f"/v1/items/{item}/grow")).status == 200
        answer = await held
        assert (answer.status, answer.code) == (503, "system:unavailable")
        assert "commands.reruns_max" in answer.problem()["what"]


async def test_a_refusal_the_contract_does_not_list_is_a_bug() -> None:
    async with rack() as app:
        answer = await app.post("/v1/secretive")
        assert (answer.status, answer.code) == (500, "system:bug")
        assert "rack:secretive" in answer.problem()["details"]


async def test_nobody_may_what_was_not_given_to_him() -> None:
    async with rack() as app:
        item = await add(app, "a")
        assert (await app.get(f"/v1/items/{item}", actor="none")).status == 401
        assert (await app.get(f"/v1/items/{item}", actor="ann")).status == 403
        assert probe.runs["get"] == 0


async def test_a_querys_json_is_made_for_whoever_sends_it_and_once() -> None:
    async with rack() as app:
        item = await add(app, "a")
        answer = await run(app, call(app, "rack.get"), {"item_id": UUID(str(item))})
        assert answer.encoded is None
        assert msgspec.json.decode(answer.body) == (await app.get(f"/v1/items/{item}")).json()
        assert answer.body is answer.encoded
