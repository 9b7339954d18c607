"""Kept answers on two nodes of one database: never older than a change whose answer somebody has heard."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from armature.adapters.memory.cache import MemoryCache
from armature.adapters.redis.cache import RedisCache
from armature.adapters.redis.connection import RedisConnection
from armature.engine.cache_follower import CacheFollower, slowest_read_model
from armature.kernel.refusals import Unavailable
from armature.ports.cache import Cache, Found
from armature.testing.app import TestApp
from armature.testing.servers import LocalRedis
from tests.live import probe

ROOT = Path(__file__).parent / "shelf"


@asynccontextmanager
async def nodes(data: Path, caches: Sequence[Cache]) -> AsyncIterator[list[TestApp]]:
    """One process for each cache, on one database."""
    probe.runs.clear()
    probe.gates.clear()
    opened: list[TestApp] = []
    try:
        for cache in caches:
            await cache.open()
            app = TestApp(ROOT, data=data, ports={Cache: cache})
            await app.open()
            opened.append(app)
        yield opened
    finally:
        for app in opened:
            await app.close()
        for cache in caches:
            await cache.close()


async def in_turns(here: TestApp, there: TestApp) -> None:
    """One changes, the other reads at once: twenty times each way; and in the end the answer is kept for both."""
    box = await here.call("shelf.put", weight=1)
    for number in range(20):
        writer, reader = (here, there) if number % 2 else (there, here)
        changed = await writer.call("shelf.fill", box_id=box.id, more=1)
        for node in (reader, writer, reader, writer):
            assert await node.call("shelf.get", box_id=box.id) == changed
    await kept("get", (here, there), box_id=box.id)


async def kept(query: str, asked: Sequence[TestApp], **arguments: Any) -> None:
    """Return when a round of questions ran no query: the followers of the log have ended what they had to."""
    async with asyncio.timeout(20):
        before = -1
        while before != probe.runs[query]:
            before = probe.runs[query]
            for node in asked:
                await node.call(f"shelf.{query}", **arguments)
            await asyncio.sleep(0)


async def test_two_nodes_over_one_cache_never_answer_with_what_was(tmp_path: Path) -> None:
    cache = MemoryCache()
    async with nodes(tmp_path, [cache, cache]) as (here, there):
        await in_turns(here, there)


@pytest.mark.slow
async def test_two_nodes_over_redis_never_answer_with_what_was(tmp_path: Path, redis: LocalRedis) -> None:
    async with nodes(tmp_path, [RedisCache(RedisConnection(redis.url)) for _ in "ab"]) as (here, there):
        await in_turns(here, there)


async def overtaken(here: TestApp, there: TestApp) -> None:
    """A reader has read and has not answered; meanwhile the row changes. What it then stores must never be found."""
    box = await here.call("shelf.put", weight=1)
    reached, leave = probe.gates["get"] = asyncio.Event(), asyncio.Event()
    slow = asyncio.create_task(here.call("shelf.get", box_id=box.id))
    await reached.wait()
    del probe.gates["get"]
    changed = await there.call("shelf.fill", box_id=box.id, more=5)
    leave.set()
    assert (await slow).weight == 1
    for node in (here, there):
        assert await node.call("shelf.get", box_id=box.id) == changed, "cache filled after invalidation"


async def test_a_reader_that_is_overtaken_by_a_change_fills_nothing(tmp_path: Path) -> None:
    cache = MemoryCache()
    async with nodes(tmp_path, [cache, cache]) as (here, there):
        await overtaken(here, there)


@pytest.mark.slow
async def test_a_reader_that_is_overtaken_by_a_change_fills_nothing_over_redis(tmp_path: Path, redis: LocalRedis) -> None:
    async with nodes(tmp_path, [RedisCache(RedisConnection(redis.url)) for _ in "ab"]) as (here, there):
        await overtaken(here, there)


async def test_who_asks_after_a_change_does_not_share_the_run_of_who_asked_before(tmp_path: Path) -> None:
    async with nodes(tmp_path, [MemoryCache()]) as (here,):
        box = await here.call("shelf.put", weight=1)
        reached, leave = probe.gates["get"] = asyncio.Event(), asyncio.Event()
        first, twin = (asyncio.create_task(here.call("shelf.get", box_id=box.id)) for _ in "ab")
        await reached.wait()
        del probe.gates["get"]
        changed = await here.call("shelf.fill", box_id=box.id, more=5)
        assert await here.call("shelf.get", box_id=box.id) == changed
        leave.set()
        assert [(await one).weight for one in (first, twin)] == [1, 1]
        assert probe.runs["get"] == 2


async def test_a_read_model_s_answer_ends_when_the_projector_has_applied_the_event(tmp_path: Path) -> None:
    async with nodes(tmp_path, [MemoryCache()]) as (here,):
        for number in range(1, 11):
            await here.call("shelf.put", weight=1)
            # Asked before, while and after the projector works: an answer without the event may be kept only until then.
            async with asyncio.timeout(20):
                while (await here.call("shelf.load")).weight < number:  # noqa: ASYNC110  (nobody announces it)
                    await asyncio.sleep(0.001)
        await kept("load", (here,))
        assert (await here.call("shelf.load")).weight == 10


async def test_the_second_follower_stays_behind_the_slowest_read_model(tmp_path: Path) -> None:
    async with nodes(tmp_path, [MemoryCache()]) as (here,):
        core = here.system.core
        await here.call("shelf.put", weight=1)
        await here.settled()
        upto = slowest_read_model(core.database, core.log)
        assert await upto() == await core.log.head() == 1
        await here.system.background.stop()
        for _ in range(3):
            await here.call("shelf.put", weight=1)
        assert (await upto(), await core.log.head()) == (1, 4)


class Failing:
    """A cache that is away."""

    async def open(self) -> None: ...
    async def close(self) -> None: ...

    async def get(self, key: str, tags: Sequence[str]) -> Found:
        raise Unavailable(what="the cache of this test")

    async def put(self, key: str, value: bytes, seconds: float, ticket: bytes) -> None:
        raise Unavailable(what="the cache of this test")

    async def invalidate(self, tags: Sequence[str]) -> None:
        raise Unavailable(what="the cache of this test")


async def test_a_cache_that_fails_costs_no_answer_and_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with nodes(tmp_path, [Failing()]) as (here,):
        box = await here.call("shelf.put", weight=1)
        for number in range(2, 12):
            await here.call("shelf.fill", box_id=box.id, more=1)
            assert (await here.call("shelf.get", box_id=box.id)).weight == number
        lines = [one for one in caplog.records if one.name == "armature.cache"]
        assert len(lines) == 1


async def test_a_committer_that_dies_before_it_invalidates_is_made_up_for_by_the_log(tmp_path: Path) -> None:
    cache = MemoryCache()
    async with nodes(tmp_path, [cache]) as (here,):
        box = await here.call("shelf.put", weight=1)
        core = here.system.core
        follower = CacheFollower(core.database, core.log, core.tidings.queries, "test", core.log.head)
        while await follower.step():
            pass
        await here.call("shelf.get", box_id=box.id)
        # As if the process had died between its commit and its invalidation, and before every follower of its own.
        kept = dict(cache._kept)
        await here.call("shelf.fill", box_id=box.id, more=5)
        await here.settled()
        cache._kept.update(kept)
        assert (await here.call("shelf.get", box_id=box.id)).weight == 1, "the test's own premise"
        while await follower.step():
            pass
        assert (await here.call("shelf.get", box_id=box.id)).weight == 6


async def test_refusals_are_not_kept_and_tenants_do_not_meet(tmp_path: Path) -> None:
    async with nodes(tmp_path, [MemoryCache()]) as (here,):
        box = await here.call("shelf.put", weight=1)
        refused = [await _refusal(here, box.id, "rival") for _ in range(2)]
        assert refused == ["shelf:no_box"] * 2
        assert (await here.call("shelf.get", box_id=box.id)).weight == 1
        assert await _refusal(here, box.id, "rival") == "shelf:no_box"


async def test_a_reader_with_a_position_is_answered_from_the_tables(tmp_path: Path) -> None:
    async with nodes(tmp_path, [MemoryCache()]) as (here,):
        made = await here.post("/v1/boxes", json={"weight": 3})
        path = f"/v1/boxes/{made.json()['id']}"
        for _ in range(3):
            assert (await here.get(path)).headers["etag"] == '"1"'
        assert probe.runs["get"] == 1
        assert (await here.get(path, headers={"armature-position": made.headers["armature-position"]})).status == 200
        assert probe.runs["get"] == 2


async def _refusal(app: TestApp, box_id: Any, tenant: str) -> str:
    try:
        await app.call("shelf.get", as_tenant=tenant, box_id=box_id)
    except Exception as refused:
        return str(getattr(refused, "code", refused))
    return ""
