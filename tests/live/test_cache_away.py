"""A cache that one node cannot reach: what that node changes meanwhile is ended as soon as the cache answers it again."""

import asyncio
from collections.abc import Sequence
from itertools import count
from typing import Any, Protocol
from uuid import UUID, uuid4

from msgspec import Struct

from armature import Contract, Event, event, query
from armature.adapters.memory.cache import MemoryCache
from armature.engine.caching import CachedQuery, QueryCache
from armature.kernel.operation import cached, operations
from armature.kernel.refusals import Unavailable
from armature.ports.cache import Cache, Found


@event("jar.filled", schema=1, stream="jar_id")
class Filled(Event, frozen=True):
    """Something was put in."""

    jar_id: UUID


class Jar(Struct, frozen=True):
    """What is in it."""

    beans: int


class Jars(Contract, Protocol, name="jar", version=1):
    """Jars of beans."""

    @query("GET /jars/{jar_id}", public=True, cache=cached(seconds=1000, until=[Filled], by="jar_id"))
    async def get(self, ctx: Any, *, jar_id: UUID) -> Jar:
        """Return one."""
        ...


class Told(Struct, frozen=True):
    """What an invalidation knows of an event."""

    tenant_id: str
    type: str
    stream: str


class Link:
    """The cache as one node has it: `away` cuts it off, `told` is set when an invalidation got through."""

    def __init__(self, cache: MemoryCache) -> None:
        self.away = False
        self.told = asyncio.Event()
        self._cache = cache

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def get(self, key: str, tags: Sequence[str]) -> Found:
        self._reach()
        return await self._cache.get(key, tags)

    async def put(self, key: str, value: bytes, seconds: float, ticket: bytes) -> None:
        self._reach()
        await self._cache.put(key, value, seconds, ticket)

    async def invalidate(self, tags: Sequence[str]) -> None:
        self._reach()
        await self._cache.invalidate(tags)
        self.told.set()

    def _reach(self) -> None:
        if self.away:
            raise Unavailable(what="cache: it is away")


class Shelf:
    """One jar, as two nodes see it. No follower of the log is there to help."""

    def __init__(self) -> None:
        self.beans = 0
        self.jar = uuid4()
        cache = MemoryCache()
        self.link = Link(cache)
        self.here, self.there = self._node(self.link), self._node(cache)
        self.nodes = [self.here, self.there]
        self._open = cache.open

    async def open(self) -> None:
        await self._open()

    async def fill(self, node: QueryCache) -> None:
        """Commit, and say so before the answer, as a command does."""
        self.beans += 1
        await node.happened([Told("acme", "jar.filled", f"jar/{self.jar}")])

    async def look(self, node: QueryCache) -> int:
        async def run() -> tuple[Jar, bytes]:
            return Jar(self.beans), b'{"beans":%d}' % self.beans

        answer, _ = await self._kept(node).answer("acme", {"jar_id": self.jar}, run)
        return int(answer.beans)

    def _kept(self, node: QueryCache) -> CachedQuery:
        (get,) = operations(Jars)
        kept = node.query(get)
        assert kept is not None
        return kept

    def _node(self, cache: Cache) -> QueryCache:
        # So long passes between two looks at the clock that a cache which failed is asked anew each time.
        times = count(step=60.0)
        return QueryCache(cache, "jars", operations(Jars), clock=lambda: next(times))


async def opened() -> Shelf:
    made = Shelf()
    await made.open()
    return made


async def test_what_was_changed_while_the_cache_was_away_is_ended_when_it_is_back() -> None:
    shelf = await opened()
    assert [await shelf.look(node) for node in shelf.nodes] == [0, 0]
    shelf.link.away = True
    for _ in range(3):
        await shelf.fill(shelf.here)
    shelf.link.away = False
    async with asyncio.timeout(20):
        await shelf.link.told.wait()
    assert await shelf.look(shelf.there) == 3
    await shelf.here.close()


async def test_who_could_not_tell_the_cache_does_not_read_from_it() -> None:
    shelf = await opened()
    await shelf.look(shelf.here)
    for _ in range(5):
        shelf.link.away = True
        await shelf.fill(shelf.here)
        shelf.link.away = False
        assert await shelf.look(shelf.here) == shelf.beans
    await shelf.here.close()


async def test_nothing_is_told_after_the_close() -> None:
    shelf = await opened()
    shelf.link.away = True
    await shelf.fill(shelf.here)
    await shelf.here.close()
    assert not shelf.here.owed
    assert "owed tags" not in {task.get_name() for task in asyncio.all_tasks()}
