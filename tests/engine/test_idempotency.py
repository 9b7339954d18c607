"""One key, one effect, one answer: at the same moment, later, elsewhere, and for refusals that are final."""

import asyncio
from pathlib import Path
from time import monotonic

import pytest

from armature.edges.http.problem import problem
from armature.kernel.failure import Failure
from armature.kernel.refusals import DeadlineExceeded, KeyInFlight
from armature.testing.answer import Response
from tests.engine import probe
from tests.engine.rack import add, at_gate, call, count, handed_over, locked, rack, run, sent

KEY = {"idempotency-key": "k1"}


def same(one: Response, other: Response) -> bool:
    kept = ("etag", "content-type", "armature-position", "location")
    return (one.status, one.body, [one.headers.get(n) for n in kept]) == (
        other.status,
        other.body,
        [other.headers.get(n) for n in kept],
    )


async def test_a_twin_waits_and_gets_the_same_bytes() -> None:
    async with rack() as app:
        async with at_gate("add", app.post("/v1/items", json={"name": "a"}, headers=KEY)) as held:
            twins = [asyncio.create_task(app.post("/v1/items", json={"name": "a"}, headers=KEY)) for _ in range(7)]
            for _ in range(20):
                await asyncio.sleep(0)
            assert probe.runs["add"] == 1
            assert not any(twin.done() for twin in twins)
        first = await held
        for twin in await asyncio.gather(*twins):
            assert same(twin, first)
            assert twin.headers["idempotent-replayed"] == "true"
        assert "idempotent-replayed" not in first.headers
        assert (probe.runs["add"], await count(app)) == (1, 1)


async def test_a_twin_whose_deadline_passes_first_is_told_when_to_come_back() -> None:
    async with rack() as app:
        async with at_gate("add", run(app, call(app, "rack.add", key="k"), {"name": "a"})) as held:
            with pytest.raises(KeyInFlight) as refused:
                await run(app, call(app, "rack.add", key="k", seconds=0.01), {"name": "a"})
        await held
        shown = problem(refused.value, instance="/", trace_id=None)
        assert (shown.status, shown.headers) == (409, [(b"retry-after", b"1")])


async def test_the_second_waiter_goes_on_when_the_first_call_was_refused() -> None:
    async with rack() as app:
        async with at_gate("patient", app.post("/v1/patient", json={"name": "a"}, headers=KEY)) as held:
            assert (await held).status == 504
            assert (await app.post("/v1/patient", json={"name": "a"}, headers=KEY)).status == 200
        assert await count(app) == 1


async def test_a_key_with_other_content_is_refused() -> None:
    async with rack() as app:
        assert (await app.post("/v1/items", json={"name": "a"}, headers=KEY)).status == 201
        answer = await app.post("/v1/items", json={"name": "b"}, headers=KEY)
        assert (answer.status, answer.code) == (422, "idempotency:key_reused")
        assert await count(app) == 1


@pytest.mark.parametrize("who", [{"tenant": "other"}, {"actor": "ann", "roles": "rack"}], ids=["tenant", "actor"])
async def test_a_key_belongs_to_its_tenant_and_its_actor(who: dict[str, str]) -> None:
    async with rack(ROLES='{"rack": ["rack:write"]}') as app:
        first = await app.post("/v1/items", json={"name": "a"}, headers=KEY)
        answer = await app.post("/v1/items", json={"name": f"of {who}"[:20]}, headers=KEY, **who)
        assert (first.status, answer.status) == (201, 201)
        assert answer.body != first.body
        assert await count(app) == 2


async def test_a_key_with_and_without_quotes_is_one_key() -> None:
    async with rack() as app:
        first = await app.post("/v1/items", json={"name": "a"}, headers=KEY)
        assert same(await app.post("/v1/items", json={"name": "a"}, headers={"idempotency-key": '"k1"'}), first)


@pytest.mark.parametrize("key", ["", '""', "x" * 256, "ключ".encode().decode("latin-1")])
async def test_a_key_that_is_none_is_refused(key: str) -> None:
    async with rack() as app:
        answer = await app.post("/v1/items", json={"name": "a"}, headers={"idempotency-key": key})
        assert (answer.status, answer.problem()["errors"][0]["path"]) == (422, "Idempotency-Key")


async def test_a_missing_key_is_400_where_one_is_required_and_a_given_one_422_where_none_is_taken() -> None:
    async with rack() as app:
        missing = await app.post("/v1/required", json={"name": "a"})
        assert (missing.status, missing.code) == (400, "idempotency:key_missing")
        assert (await app.post("/v1/required", json={"name": "a"}, headers=KEY)).status == 200
        surplus = await app.post("/v1/unkeyed", json={"name": "b"}, headers=KEY)
        assert (surplus.status, surplus.problem()["errors"][0]["path"]) == (422, "Idempotency-Key")
        assert probe.runs["unkeyed"] == 0


async def test_a_final_refusal_is_given_again_whatever_a_second_run_would_say() -> None:
    async with rack() as app:
        first, second = [await app.post("/v1/closed", headers=KEY) for _ in range(2)]
        assert (first.status, first.code, second.status, second.code) == (409, "rack:closed", 409, "rack:closed")
        assert [a.headers.get("idempotent-replayed") for a in (first, second)] == [None, "true"]
        assert second.problem()["detail"] == first.problem()["detail"] == "The rack is closed for season 1."
        assert (await app.post("/v1/closed")).problem()["detail"] != first.problem()["detail"]


async def test_any_other_refusal_leaves_no_key() -> None:
    async with rack() as app:
        for _ in range(2):
            assert (await app.post("/v1/not-yet", headers=KEY)).code == "rack:not_yet"
        assert probe.runs["not_yet"] == 2


async def test_an_answer_too_large_to_be_kept_is_refused_with_its_effect() -> None:
    async with rack() as app:
        answer = await app.post("/v1/large-answer", json={"letters": 70_000}, headers=KEY)
        assert (answer.status, answer.code) == (500, "system:bug")
        assert "at most 65536" in answer.problem()["details"]
        assert (await app.post("/v1/large-answer", json={"letters": 70_000})).status == 200


async def test_a_key_survives_a_restart_and_ends_with_its_time() -> None:
    async with rack(IDEMPOTENCY__TTL_SECONDS="60") as app:
        first = await app.post("/v1/items", json={"name": "a"}, headers=KEY)
        await app.restart()
        assert same(await app.post("/v1/items", json={"name": "a"}, headers=KEY), first)
        app.clock.move(61)
        again = await app.post("/v1/items", json={"name": "another"}, headers=KEY)
        assert again.status == 201, again
        assert same(await app.post("/v1/items", json={"name": "another"}, headers=KEY), again)
        assert await count(app) == 2


async def test_the_loser_of_two_processes_drops_its_work_and_answers_as_the_winner_did(tmp_path: Path) -> None:
    async with rack(tmp_path) as one, rack(tmp_path) as other:
        async with at_gate("add", one.post("/v1/items", json={"name": "a"}, headers=KEY)) as held:
            winner = await other.post("/v1/items", json={"name": "a"}, headers=KEY)
        loser = await held
        assert same(loser, winner)
        assert loser.headers["idempotent-replayed"] == "true"
        assert (probe.runs["add"], await count(one)) == (2, 1)


async def test_a_twins_answer_wins_over_a_refusal(tmp_path: Path) -> None:
    async with rack(tmp_path) as one, rack(tmp_path) as other:
        item = await add(one, "a")
        async with at_gate("before_drop", one.post(f"/v1/items/{item}/drop", headers=KEY)) as held:
            assert (await other.post(f"/v1/items/{item}/drop", headers=KEY)).status == 204
        # Decided after its twin, the command finds no item; but this very key did remove it.
        assert (await held).status == 204
        assert (await one.post(f"/v1/items/{item}/drop")).code == "rack:no_item"


async def test_a_twin_that_is_faster_than_a_final_refusal_is_what_both_are_told() -> None:
    async with rack() as app:
        made = call(app, "rack.closed", key="k")
        scope = app.system.core.parts.keys.claim(made, "http", sent({}))
        with locked(app) as elsewhere:
            # Looked up and not found; now it waits behind another process, which keeps an answer for the same key.
            held = asyncio.create_task(run(app, made, {}))
            await handed_over(made)
            row = (
                scope.tenant,
                scope.scope,
                scope.fingerprint,
                b'{"code":"rack:closed","values":{"reason":"rain"}}',
                1,
                None,
                2**62,
            )
            elsewhere.execute("insert into armature_keys values (?, ?, ?, ?, ?, ?, ?)", row)
        with pytest.raises(Failure, match="closed for rain"):
            await held


async def test_a_final_refusal_that_could_not_be_kept_in_time_is_not_told() -> None:
    async with rack() as app:
        made = call(app, "rack.closed", key="k", seconds=0.05)
        with locked(app):
            held = asyncio.create_task(run(app, made, {}))
            await handed_over(made)
            while monotonic() < made.deadline:  # noqa: ASYNC110 - what is waited for is the time itself
                await asyncio.sleep(0.01)
        with pytest.raises(DeadlineExceeded):
            await held
        with pytest.raises(Failure, match="closed for season 2"):
            await run(app, call(app, "rack.closed", key="k"), {})
