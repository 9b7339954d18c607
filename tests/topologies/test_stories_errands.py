"""Errands between nodes: kept answers never outlive a change, who waits here is woken from there, reactions run once."""

import asyncio
from time import monotonic
from typing import Any

import pytest

from armature import Wakeups
from armature.runtime.roles.reactor import ReactorRole
from tests.topologies.town import SECONDS_MAX, Node, Town, until

pytestmark = pytest.mark.slow

ERRANDS = 40
WAITS = 15


async def placed(node: Node, tenant: str) -> dict[str, Any]:
    answer = await node.ask("POST", "/v1/errands", tenant=tenant)
    assert answer.status == 201, answer
    found: dict[str, Any] = answer.json()
    return found


async def finished(node: Node, errand: dict[str, Any], tenant: str) -> dict[str, Any]:
    answer = await node.ask("POST", f"/v1/errands/{errand['id']}/finish", tenant=tenant)
    assert answer.status == 200, answer
    found: dict[str, Any] = answer.json()
    return found


async def got(node: Node, errand: dict[str, Any], tenant: str) -> dict[str, Any]:
    answer = await node.ask("GET", f"/v1/errands/{errand['id']}", tenant=tenant)
    assert answer.status == 200, answer
    found: dict[str, Any] = answer.json()
    return found


async def kept(town: Town, errand: dict[str, Any], tenant: str) -> None:
    """Return when ten questions ran no query: the followers of the log, who end kept answers too, are done."""
    async with asyncio.timeout(SECONDS_MAX):
        before = -1
        while before != town.probe.runs[errand["id"]]:
            before = town.probe.runs[errand["id"]]
            for number in range(10):
                await got(town.nodes[number % len(town.nodes)], errand, tenant)


async def test_an_answer_kept_on_one_node_ends_when_the_other_changes_it(town: Town) -> None:
    tenant = town.tenant()
    errand = await placed(town.here, tenant)
    for number in range(12):
        writer, reader = (town.here, town.there) if number % 2 else (town.there, town.here)
        await got(reader, errand, tenant)
        changed = await finished(writer, errand, tenant)
        # Who has heard the answer reads nothing older, wherever he asks.
        for node in (reader, writer, reader):
            assert await got(node, errand, tenant) == changed
    await kept(town, errand, tenant)
    assert (await got(town.there, errand, tenant))["version"] == 13


async def test_an_answer_that_was_overtaken_while_it_was_made_is_not_kept(town: Town) -> None:
    tenant = town.tenant()
    errand = await placed(town.here, tenant)
    for number in range(1, 6):
        await town.settled()
        reached, leave = town.probe.gates[errand["id"]] = asyncio.Event(), asyncio.Event()
        await finished(town.here, errand, tenant)
        slow = asyncio.create_task(got(town.there, errand, tenant))
        await reached.wait()
        del town.probe.gates[errand["id"]]
        changed = await finished(town.here, errand, tenant)
        leave.set()
        assert (await slow)["version"] == 2 * number
        for node in town.nodes:
            assert await got(node, errand, tenant) == changed, "cache filled after invalidation"


async def test_followers_on_every_node_never_go_back(town: Town) -> None:
    tenant = town.tenant()
    errand = await placed(town.here, tenant)
    told = errand["version"]

    async def reader(node: Node) -> None:
        seen = 0
        while told < 24:
            promised = told
            version = (await got(node, errand, tenant))["version"]
            assert version >= max(promised, seen)
            seen = version

    async def writer() -> None:
        nonlocal told
        while told < 24:
            told = (await finished(town.nodes[told % len(town.nodes)], errand, tenant))["version"]

    await asyncio.gather(writer(), *(reader(node) for node in town.nodes for _ in range(3)))


def wakeups(town: Town, node: Node) -> Wakeups:
    """Return what the errands of a node wait and wake with."""
    hosting = [system for system in town.systems if "errand" in system.core.modules]
    at = hosting.index(node.system) if node.system in hosting else node.number % len(hosting)
    found: Wakeups = town.probe.wakeups[at - len(hosting)]
    return found


async def test_who_waits_on_one_node_is_woken_from_the_other(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    waiter, waker = wakeups(town, town.there), wakeups(town, town.here)
    # Nobody looks without being woken, so that a wake-up which is slept through ends the story.
    monkeypatch.setattr(waiter, "_look_seconds", 3_600.0)
    tenant = town.tenant()
    for number in range(WAITS):
        errand = await placed(town.here, tenant)
        looked = asyncio.Event()

        async def look(errand: dict[str, Any] = errand, looked: asyncio.Event = looked) -> dict[str, Any] | None:
            found = await got(town.there, errand, tenant)
            looked.set()
            return found if found["done"] else None

        waiting = asyncio.create_task(waiter.wait(tenant, errand["id"], look, monotonic() + 3_600.0))
        if number % 3:
            # Else the change comes while the waiter gets ready: before, between and after its first look.
            await looked.wait()
        changed = await finished(town.here, errand, tenant)
        await waker.wake(town.tenant(), errand["id"])
        await waker.wake(tenant, errand["id"])
        async with asyncio.timeout(SECONDS_MAX):
            assert await waiting == changed


async def test_who_waits_in_vain_is_told_in_time_after_a_last_look(town: Town) -> None:
    tenant = town.tenant()
    errand = await placed(town.here, tenant)
    looks: list[float] = []

    async def look() -> None:
        assert not (await got(town.there, errand, tenant))["done"]
        looks.append(monotonic())

    until_then = monotonic() + 0.1
    waiting = wakeups(town, town.there).wait(tenant, errand["id"], look, until_then)
    await wakeups(town, town.here).wake(town.tenant(), errand["id"])
    assert await waiting is None
    assert looks[-1] >= until_then


async def test_a_reaction_runs_once_for_each_event_though_several_processes_play_reactor(town: Town) -> None:
    hosting = (system for system in town.systems if "errand" in system.core.modules)
    members = [one for system in hosting for one in _reactors(system.background._roles)]
    assert len(members) == (2 if len(town.nodes) == 2 else 1)
    tenant = town.tenant()
    nodes = [town.nodes[number % len(town.nodes)] for number in range(ERRANDS)]
    errands = await asyncio.gather(*(placed(node, tenant) for node in nodes))
    assert len({errand["id"] for errand in errands}) == ERRANDS

    async def counted() -> dict[str, int]:
        found: dict[str, int] = (await town.there.ask("GET", "/v1/runs", tenant=tenant)).json()
        return found

    async def done() -> bool:
        return (await counted())["errands"] == ERRANDS

    await until(done, "the reaction ran for every errand")
    await town.settled()
    # Those of the other stories too: each event is one member's.
    events = await _placed(town)
    await until(lambda: _taken(members) >= events, "the members took every event")
    assert await counted() == {"runs": ERRANDS, "errands": ERRANDS}
    assert _taken(members) == events


async def _placed(town: Town) -> int:
    log, found, position = town.core.log, 0, 0
    while batch := await log.after(position, 1_000):
        found += sum(one.type == "errand.placed" for one in batch)
        position = batch[-1].position
    return found


def _reactors(roles: list[Any]) -> list[ReactorRole]:
    return [one for one in roles if isinstance(one, ReactorRole)]


def _taken(members: list[ReactorRole]) -> int:
    mine = (consumer for member in members for consumer in member.consumers if consumer.name.startswith("errand"))
    return sum(consumer.taken for consumer in mine)
