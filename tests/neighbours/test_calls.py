"""What belongs to a call goes with it from one process to the other, and what it came to comes back; over gRPC and over NATS."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import apsw
import pytest

from armature.testing.servers import LocalNats
from tests.neighbours.harbour import Gate, Harbour, Person, build
from tests.neighbours.pair import until

OVER_NATS = {"neighbours": {"transport": "nats", "url": "env:ARMATURE_NATS_URL"}}
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture(params=["grpc", pytest.param("nats", marks=pytest.mark.slow)])
def harbour(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Harbour]:
    """A system whose processes call each other in one of the two ways."""
    if request.param == "grpc":
        yield Harbour(build(tmp_path))
        return
    nats: LocalNats = request.getfixturevalue("nats")
    yield Harbour(build(tmp_path, environment=OVER_NATS), {"ARMATURE_NATS_URL": nats.url})


@asynccontextmanager
async def layers(harbour: Harbour) -> AsyncIterator[tuple[Person, Person]]:
    async with harbour:
        yield await harbour.open("app"), await harbour.open("edge")


async def test_who_sends_a_position_back_reads_his_own_write(harbour: Harbour) -> None:
    async with layers(harbour) as (_, edge):
        made = await edge.post("/v1/counters", json={"name": "visits"})
        for value in range(1, 20):
            changed = await edge.post(f"{made.headers['location']}/increment", json={})
            position = {"armature-position": changed.headers["armature-position"]}
            assert (await edge.get("/v1/counters/totals", headers=position)).json()["value"] == value


async def test_if_match_is_compared_where_the_row_is(harbour: Harbour) -> None:
    async with layers(harbour) as (_, edge):
        path = (await edge.post("/v1/counters", json={"name": "visits"})).headers["location"]
        good = await edge.post(f"{path}/increment", json={}, headers={"if-match": '"1"'})
        assert (good.status, good.headers["etag"]) == (200, '"2"')
        stale = await edge.post(f"{path}/increment", json={}, headers={"if-match": '"1"'})
        assert (stale.status, stale.json()["code"], stale.json()["current"]) == (412, "request:stale", '"2"')
        assert (await edge.get(path)).json()["value"] == 1


async def test_a_repeated_key_is_answered_with_the_first_answer(harbour: Harbour) -> None:
    async with layers(harbour) as (_, edge):
        first = await edge.post("/v1/crates", json={"note": "tea"}, headers={"idempotency-key": "k1"})
        again = await edge.post("/v1/crates", json={"note": "tea"}, headers={"idempotency-key": "k1"})
        other = await edge.post("/v1/crates", json={"note": "salt"}, headers={"idempotency-key": "k1"})
        assert (first.status, again.status, again.body) == (201, 201, first.body)
        assert ("idempotent-replayed" in first.headers, "idempotent-replayed" in again.headers) == (False, True)
        assert (other.status, other.json()["code"]) == (422, "idempotency:key_reused")
        assert (await edge.get("/v1/watch")).json() == {"count": 1}


async def test_a_limit_is_counted_there_and_its_refusal_says_when_to_come_back(harbour: Harbour) -> None:
    async with layers(harbour) as (_, edge):
        path = (await edge.post("/v1/counters", json={"name": "visits"})).headers["location"]
        answers = [await edge.post(f"{path}/reset") for _ in range(11)]
        assert [one.status for one in answers] == [200] * 10 + [429]
        assert answers[-1].json()["code"] == "limit:exceeded"
        assert int(answers[-1].headers["retry-after"]) >= 1


async def test_refusals_come_back_with_their_fields(harbour: Harbour) -> None:
    async with layers(harbour) as (_, edge):
        path = (await edge.post("/v1/counters", json={"name": "visits"})).headers["location"]
        less = await edge.post(f"{path}/decrement", json={"by": 3})
        assert (less.status, less.json()["code"], less.json()["value"]) == (409, "counter:insufficient", 0)
        full = await edge.post("/v1/crates", json={"note": "too much"})
        assert (full.status, full.json()["code"], full.json()["note"]) == (409, "pier:no_room", "too much")
        taken = await edge.post("/v1/counters", json={"name": "visits"})
        assert (taken.status, taken.json()["code"]) == (409, "counter:name_taken")
        wrong = await edge.post("/v1/counters", json={"name": ""})
        assert (wrong.status, wrong.json()["errors"][0]["path"]) == (422, "name")


async def test_who_may_not_is_refused(harbour: Harbour) -> None:
    async with layers(harbour) as (_, edge):
        assert (await edge.get("/v1/watch", actor="none")).status == 401
        assert (await edge.get("/v1/watch", actor="ann")).status == 403
        assert (await edge.get("/v1/watch", actor="ann", roles="pier.reader")).status == 200


async def test_tenants_stay_apart(harbour: Harbour) -> None:
    async with layers(harbour) as (_, edge):
        await edge.post("/v1/crates", json={"note": "tea"}, tenant="north")
        counts = [(await edge.get("/v1/watch", tenant=one)).json()["count"] for one in ("north", "south")]
        assert counts == [1, 0]


async def test_events_there_name_the_request_the_actor_and_the_trace_of_here(harbour: Harbour) -> None:
    async with layers(harbour) as (_, edge):
        made = await edge.post("/v1/counters", json={"name": "visits"}, headers={"traceparent": TRACE})
        db = apsw.Connection(str(harbour.model.database_path), flags=apsw.SQLITE_OPEN_READONLY)
        ((correlation, actor, trace),) = db.execute("select correlation_id, actor, trace from armature_outbox").fetchall()
        db.close()
        assert (correlation, actor) == (made.headers["x-request-id"], "developer")
        assert str(trace)[3:35] == TRACE[3:35]


async def test_a_bug_there_is_told_in_the_logs_of_both_sides_with_the_request(
    harbour: Harbour, caplog: pytest.LogCaptureFixture
) -> None:
    async with layers(harbour) as (_, edge):
        answer = await edge.get("/v1/stumble")
        assert (answer.status, answer.json()["code"]) == (500, "system:bug")
        assert "the words of a bug" not in answer.body.decode()
    request = answer.headers["x-request-id"]
    told = {record.name: record for record in caplog.records if getattr(record, "request_id", "") == request}
    assert {"armature.links", "armature.http"} <= told.keys()
    assert told["armature.links"].exc_info is not None
    assert "the words of a bug" in str(told["armature.links"].exc_info[1])


@pytest.mark.slow
async def test_a_query_that_is_late_ends_there_too(harbour: Harbour, tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    async with layers(harbour) as (_, edge):
        late = await edge.get(f"/v1/glance?gate={gate.name}")
        assert (late.status, late.json()["code"]) == (504, "system:deadline")
        assert gate.reached
        await until(lambda: gate.left)


@pytest.mark.slow
async def test_queries_that_are_late_let_go_of_the_database(harbour: Harbour) -> None:
    async with layers(harbour) as (_, edge):
        # More than there are connections to read with.
        late = await asyncio.gather(*(edge.get("/v1/climb?steps=1000000000") for _ in range(12)))
        assert {one.status for one in late} == {504}
        assert (await edge.get("/v1/climb?steps=10")).json() == {"count": 10}
