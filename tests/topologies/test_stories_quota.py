"""Quotas between nodes: what is left is given away once, what was reserved is settled once, and one answer shows both sides."""

import asyncio
from collections import Counter

import pytest

from tests.topologies.town import Node, Town

pytestmark = pytest.mark.slow

CALLERS = 24
ALLOWED = 40
# More is asked for than there is, so that somebody must be refused.
EACH = 2


async def limited(node: Node, tenant: str, allowed: int) -> str:
    """Make a counter that may go up to `allowed`; return its id."""
    made = await node.ask("POST", "/v1/counters", {"name": "visits"}, tenant=tenant)
    counter = str(made.json()["id"])
    answer = await node.ask("PUT", f"/v1/quotas/{counter}", {"allowed": allowed}, tenant=tenant)
    assert answer.status == 200, answer
    return counter


async def test_callers_on_all_nodes_never_reserve_more_than_there_is(town: Town) -> None:
    tenant = town.tenant()
    counter = await limited(town.here, tenant, ALLOWED)

    async def caller(number: int) -> int:
        node = town.nodes[number % len(town.nodes)]
        answer = await node.ask("POST", f"/v1/quotas/{counter}/reservations", {"amount": EACH}, tenant=tenant)
        assert answer.status == 201 or answer.code == "quota:exceeded", answer
        return answer.status

    told = Counter(await asyncio.gather(*map(caller, range(CALLERS))))
    assert told == {201: ALLOWED // EACH, 409: CALLERS - ALLOWED // EACH}
    for node in town.nodes:
        quota = (await node.ask("GET", f"/v1/quotas/{counter}", tenant=tenant)).json()
        assert (quota["reserved"], quota["version"]) == (ALLOWED, 1 + ALLOWED // EACH)


async def test_what_was_reserved_is_settled_once_wherever_the_counter_moves(town: Town) -> None:
    tenant = town.tenant()
    counter = await limited(town.here, tenant, 100)
    for amount in (5, 7):
        made = await town.there.ask("POST", f"/v1/quotas/{counter}/reservations", {"amount": amount}, tenant=tenant)
        assert made.status == 201, made

    async def caller(number: int) -> None:
        node = town.nodes[number % len(town.nodes)]
        moved = await node.ask("POST", f"/v1/counters/{counter}/increment", tenant=tenant)
        assert moved.status == 200, moved

    await asyncio.gather(*map(caller, range(9)))
    await town.settled()
    for node in town.nodes:
        quota = (await node.ask("GET", f"/v1/quotas/{counter}", tenant=tenant)).json()
        # The limit, two reservations and nine steps, each one version.
        assert (quota["used"], quota["reserved"], quota["version"]) == (9, 3, 12)
        page = (await node.ask("GET", f"/v1/quotas/{counter}/reservations", tenant=tenant)).json()
        assert [(one["amount"], one["held"]) for one in page["items"]] == [(7, 3)]


async def test_the_desk_shows_both_neighbours_on_every_node(town: Town) -> None:
    tenant = town.tenant()
    counter = await limited(town.here, tenant, 10)
    await town.there.ask("POST", f"/v1/counters/{counter}/increment", {"by": 4}, tenant=tenant)
    await town.settled()
    for node in town.nodes:
        board = (await node.ask("GET", f"/v1/desk/{counter}", tenant=tenant)).json()
        assert (board["counter"]["value"], board["usage"]["used"], board["usage"]["left"], board["missing"]) == (4, 4, 6, [])


async def test_one_who_may_see_quotas_sees_use_and_not_the_counter(town: Town) -> None:
    tenant = town.tenant()
    counter = await limited(town.here, tenant, 10)
    ann = {"x-actor": "ann", "x-roles": "quota.reader"}
    for node in town.nodes:
        seen = await node.ask("GET", f"/v1/quotas/{counter}/usage", headers=ann, tenant=tenant)
        assert (seen.status, seen.json()["name"]) == (200, "visits")
        for path, permission in ((f"/v1/counters/{counter}", "counter:read"), (f"/v1/desk/{counter}", "desk:read")):
            refused = await node.ask("GET", path, headers=ann, tenant=tenant)
            assert (refused.status, refused.problem()["permission"]) == (403, permission)


async def test_a_limit_for_a_counter_that_never_was_is_refused_by_the_neighbour(town: Town) -> None:
    tenant = town.tenant()
    theirs = await limited(town.here, town.tenant(), 10)
    for node in town.nodes:
        refused = await node.ask("PUT", f"/v1/quotas/{theirs}", {"allowed": 1}, tenant=tenant)
        assert (refused.status, refused.code) == (404, "counter:not_found")
        assert refused.problem()["counter_id"] == theirs
