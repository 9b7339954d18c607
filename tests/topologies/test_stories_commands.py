"""Commands from both sides of a town: one hot counter, keys used on another node, and reading what was written elsewhere."""

import asyncio

import msgspec
import pytest

from armature.testing.answer import Response
from tests.topologies.town import Node, Town

pytestmark = pytest.mark.slow

CALLERS = 32
ROUNDS = 2
SENT = {"by": 2}


async def made(node: Node, tenant: str, name: str = "visits") -> str:
    """Create a counter; return its path."""
    answer = await node.ask("POST", "/v1/counters", {"name": name}, tenant=tenant)
    assert answer.status == 201, answer
    return f"/v1/counters/{answer.json()['id']}"


async def test_thirty_two_callers_of_one_counter_on_all_nodes_are_all_served(town: Town) -> None:
    tenant = town.tenant()
    path = await made(town.here, tenant)

    async def caller(number: int) -> list[Response]:
        node = town.nodes[number % len(town.nodes)]
        return [await node.ask("POST", f"{path}/increment", {"by": 1}, tenant=tenant) for _ in range(ROUNDS)]

    told = [answer for answers in await asyncio.gather(*map(caller, range(CALLERS))) for answer in answers]
    assert {answer.status for answer in told} == {200}
    assert sorted(answer.json()["value"] for answer in told) == list(range(1, CALLERS * ROUNDS + 1))
    for node in town.nodes:
        assert (await node.ask("GET", path, tenant=tenant)).json()["value"] == CALLERS * ROUNDS
    await town.settled()
    for node in town.nodes:
        page = (await node.ask("GET", f"{path}/history?limit=200", tenant=tenant)).json()
        assert [line["version"] for line in page["items"]] == list(range(1, CALLERS * ROUNDS + 2))


async def test_a_key_means_the_same_on_every_node(town: Town) -> None:
    tenant = town.tenant()
    path = f"{await made(town.here, tenant)}/increment"
    first = await town.here.ask("POST", path, SENT, {"idempotency-key": "k"}, tenant=tenant)
    assert first.status == 200 and "idempotent-replayed" not in first.headers
    kept = ("etag", "armature-position", "content-type")
    for headers in ({"idempotency-key": "k"}, {"idempotency-key": '"k"'}, {"idempotency-key": "k", "if-match": '"1"'}):
        again = await town.there.ask("POST", path, SENT, headers, tenant=tenant)
        assert (again.status, again.body) == (200, first.body)
        assert [again.headers.get(name) for name in kept] == [first.headers.get(name) for name in kept]
        assert again.headers["idempotent-replayed"] == "true"
    for body in ({"by": 3}, {}):
        refused = await town.there.ask("POST", path, body, {"idempotency-key": "k"}, tenant=tenant)
        assert (refused.status, refused.code) == (422, "idempotency:key_reused")
    rival = await town.there.ask("POST", path, SENT, {"idempotency-key": "k"}, tenant=town.tenant())
    assert (rival.status, rival.code) == (404, "counter:not_found")
    other = await town.there.ask("POST", path, SENT, {"idempotency-key": "other"}, tenant=tenant)
    assert (other.status, other.json()["value"]) == (200, 4)


async def test_twins_on_two_nodes_have_one_effect_and_one_answer(town: Town) -> None:
    tenant = town.tenant()
    path = await made(town.here, tenant)
    for number in range(10):
        key = {"idempotency-key": f"k{number}"}
        asked = [node.ask("POST", f"{path}/increment", SENT, key, tenant=tenant) for node in town.nodes for _ in range(3)]
        told = await asyncio.gather(*asked)
        assert {answer.status for answer in told} == {200}
        assert {answer.body for answer in told} == {told[0].body}
        assert [answer.headers.get("idempotent-replayed") for answer in told].count(None) == 1
    assert (await town.there.ask("GET", path, tenant=tenant)).json()["value"] == 20


async def test_a_refusal_on_one_node_leaves_the_key_free_on_the_other(town: Town) -> None:
    tenant = town.tenant()
    path = await made(town.here, tenant)
    key = {"idempotency-key": "k"}
    refused = await town.here.ask("POST", f"{path}/decrement", SENT, key, tenant=tenant)
    assert (refused.status, refused.code) == (409, "counter:insufficient")
    await town.there.ask("POST", f"{path}/increment", {"by": 5}, tenant=tenant)
    done = await town.there.ask("POST", f"{path}/decrement", SENT, key, tenant=tenant)
    assert (done.status, done.json()["value"]) == (200, 3)


async def test_who_brings_the_position_reads_on_one_node_what_was_written_on_the_other(town: Town) -> None:
    tenant = town.tenant()
    path = await made(town.here, tenant)
    for number in range(1, 16):
        writer, reader = (town.here, town.there) if number % 2 else (town.there, town.here)
        changed = await writer.ask("POST", f"{path}/increment", {"by": 1}, tenant=tenant)
        position = {"armature-position": changed.headers["armature-position"]}
        totals, history = await asyncio.gather(
            reader.ask("GET", "/v1/counters/totals", headers=position, tenant=tenant),
            reader.ask("GET", f"{path}/history?limit=200", headers=position, tenant=tenant),
        )
        assert totals.json() == {"counters": 1, "value": number, "changes": number + 1}
        assert [line["value"] for line in history.json()["items"]] == list(range(number + 1))


async def test_a_position_of_another_log_is_refused(town: Town) -> None:
    made_up = {"armature-position": "AAAAAAAAAAAAAAAAAAAAAAAAAAAA"}
    answer = await town.there.ask("GET", "/v1/counters/totals", headers=made_up, tenant=town.tenant())
    assert answer.status == 422
    assert [one["path"] for one in msgspec.json.decode(answer.body)["errors"]] == ["Armature-Position"]
