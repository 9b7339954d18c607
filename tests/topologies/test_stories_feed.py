"""Live events of a counter across nodes: seen on one, resumed on the other, and equal to the log on every topology."""

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from armature.edges.http import sse
from armature.engine import remote_feed
from armature.engine.live import LiveEvents
from tests.topologies.test_stories_commands import made
from tests.topologies.town import SECONDS_MAX, Node, Town

pytestmark = pytest.mark.slow

# Longer than any test: what comes in time was signalled, and was not found by a slow look.
NEVER = 3_600.0
_HEARING_SECONDS = 3.0
EVENTS = 60
_FAR_LOOK_SECONDS = 0.2


@pytest.fixture(autouse=True)
def left(town: Town, armature_loop: asyncio.Runner, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every story ends with its streams left, and every node lets go of them: at its next look, be that in another process."""
    monkeypatch.setattr(remote_feed, "_LOOK_SECONDS", _FAR_LOOK_SECONDS)
    yield
    armature_loop.run(town.leave_streams())


async def moved(node: Node, path: str, by: int, tenant: str) -> None:
    answer = await node.ask("POST", f"{path}/increment", {"by": by}, tenant=tenant)
    assert answer.status == 200, answer


async def counter(town: Town, tenant: str, name: str = "visits") -> str:
    """Create a counter; return its path when the creation has its position, so that a stream begins after it everywhere."""
    path = await made(town.here, tenant, name)
    await town.settled()
    return path


def buffer(node: Node, size: int) -> None:
    """Say how much the system keeps of what is sent on connections opened from now on, and the process on open ones."""
    for door in node.server._server.sockets if node.server._server else ():
        door.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)
    for connection in node.server._ledger.open:
        connection.transport.set_write_buffer_limits(size)


async def told(town: Town, path: str, tenant: str) -> list[tuple[str, int]]:
    """Return what the log holds of a counter: types and versions."""
    await town.settled()
    stream = f"counter/{path.rpartition('/')[2]}"
    log, found, position = town.core.log, list[tuple[str, int]](), 0
    while batch := await log.after(position, 1_000):
        found += [(one.type, one.stream_version or 0) for one in batch if (one.tenant_id, one.stream) == (tenant, stream)]
        position = batch[-1].position
    return found


def shown(event: dict[str, Any] | None) -> tuple[str, int]:
    assert event is not None, "the stream has ended"
    return event["type"], event["version"]


async def test_a_stream_left_on_one_node_and_resumed_on_the_other_is_the_log(town: Town) -> None:
    tenant = town.tenant()
    path, other = await counter(town, tenant), await counter(town, tenant, "other")
    stream = await town.here.follow(f"{path}/events", tenant=tenant)
    assert stream.status == 200
    heard: list[tuple[str, int]] = []
    for number in range(1, 21):
        await moved(town.nodes[number % len(town.nodes)], path, number, tenant)
        await moved(town.nodes[number // 2 % len(town.nodes)], other, 1, tenant)
        if number % 5 == 0:
            # Left with something heard and something not, and gone on with on the next node.
            heard += [shown(await stream.event()) for _ in range(3)]
            stream.close()
            node = town.nodes[number // 5 % len(town.nodes)]
            stream = await node.follow(f"{path}/events", tenant=tenant, last=stream.last_id)
    assert (await town.there.ask("DELETE", path, tenant=tenant)).status == 204
    while heard[-1][0] != "counter.deleted":
        heard.append(shown(await stream.event()))
    # The same on every topology: what comes after the creation, one version each.
    assert heard == [("counter.changed", version) for version in range(2, 22)] + [("counter.deleted", 22)]
    assert [("counter.created", 1), *heard] == await told(town, path, tenant)


async def test_followers_on_all_nodes_hear_the_same_while_all_nodes_write(town: Town) -> None:
    tenant = town.tenant()
    path = await counter(town, tenant)
    streams = [await node.follow(f"{path}/events", tenant=tenant) for node in town.nodes for _ in range(2)]

    async def writer(node: Node) -> None:
        for _ in range(8):
            await moved(node, path, 1, tenant)

    await asyncio.gather(*(writer(node) for node in town.nodes for _ in range(2)))
    changes = 16 * len(town.nodes)
    for stream in streams:
        assert [shown(await stream.event())[1] for _ in range(changes)] == list(range(2, changes + 2))


@pytest.fixture
def only_signals(town: Town, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Followers never look by themselves: who hears something was signalled."""
    monkeypatch.setattr(remote_feed, "_LOOK_SECONDS", 2 * _HEARING_SECONDS)
    feeds: list[LiveEvents] = [system.core.tidings.events for system in town.systems]
    before = [one._look_seconds for one in feeds]
    for one in feeds:
        one._look_seconds = NEVER
    yield
    for one, seconds in zip(feeds, before, strict=True):
        one._look_seconds = seconds


@pytest.mark.usefixtures("only_signals")
async def test_a_signal_from_one_node_wakes_the_follower_on_the_other(town: Town) -> None:
    tenant = town.tenant()
    path = await counter(town, tenant)
    stream = await town.there.follow(f"{path}/events", tenant=tenant)
    sent = heard = 1
    async with asyncio.timeout(SECONDS_MAX):
        while heard < 6:
            await moved(town.here, path, 1, tenant)
            sent += 1
            while heard < sent:
                waiting = asyncio.create_task(stream.event())
                done, _ = await asyncio.wait([waiting], timeout=_HEARING_SECONDS)
                if not done:
                    # Numbered only after the follower's last look: the next signal brings both.
                    await moved(town.here, path, 1, tenant)
                    sent += 1
                heard += 1
                assert shown(await waiting) == ("counter.changed", heard)
    # Who left is noticed at the next look, and here only signals bring one.
    stream.close()
    await moved(town.here, path, 1, tenant)


async def test_a_quiet_stream_is_kept_alive_and_its_ids_resume_elsewhere(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "_HEARTBEAT_SECONDS", 0.0)
    tenant = town.tenant()
    path = await counter(town, tenant)
    stream = await town.here.follow(f"{path}/events", tenant=tenant)
    async with asyncio.timeout(SECONDS_MAX):
        while not stream.said:
            await stream.block()
    assert stream.said[0] == "alive"
    stream.close()
    await moved(town.here, path, 7, tenant)
    again = await town.there.follow(f"{path}/events", tenant=tenant, last=stream.last_id)
    assert shown(await again.event()) == ("counter.changed", 2)


async def test_a_stream_of_full_age_ends_and_is_resumed(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    tenant = town.tenant()
    path = await counter(town, tenant)
    with monkeypatch.context() as young:
        young.setattr(sse, "_AGE_SECONDS", 0.0)
        stream = await town.here.follow(f"{path}/events", tenant=tenant)
        assert await stream.event() is None
    await moved(town.there, path, 1, tenant)
    again = await town.there.follow(f"{path}/events", tenant=tenant, last=stream.last_id)
    assert shown(await again.event()) == ("counter.changed", 2)


async def test_a_client_that_does_not_read_is_cut_and_loses_nothing(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "_WRITE_SECONDS", 0.05)
    tenant = town.tenant()
    path = await counter(town, tenant)
    begun = await town.there.follow(f"{path}/events", tenant=tenant)
    await begun.block()
    for number in range(EVENTS):
        await moved(town.nodes[number % len(town.nodes)], path, 1, tenant)
    await town.settled()
    # What nobody reads must not vanish in the buffers of the system.
    buffer(town.here, 4_096)
    slow = await town.here.follow(f"{path}/events", tenant=tenant, last=begun.last_id, buffer=2_048)
    buffer(town.here, 4_096)
    others = town.here.server.running - 1
    assert [shown(await slow.event())[1] for _ in range(5)] == list(range(2, 7))
    # The event after those that fill the buffers finds nobody who takes it.
    sent = EVENTS + 1
    while town.here.server.running > others:
        await moved(town.there, path, 1, tenant)
        sent += 1
        assert sent < 4 * EVENTS, "nobody was cut"
    buffer(town.here, 1 << 18)
    again = await town.there.follow(f"{path}/events", tenant=tenant, last=slow.last_id)
    assert [shown(await again.event())[1] for _ in range(sent - 6)] == list(range(7, sent + 1))
    assert [shown(await begun.event())[1] for _ in range(sent - 1)] == list(range(2, sent + 1))
