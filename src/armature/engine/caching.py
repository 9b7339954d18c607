"""Answers of queries, kept until an event says that they no longer hold.

A look-up gives a ticket that names the state of the query's tags; what is computed afterwards is stored under that ticket. An
invalidation changes the state, so an answer that was computed from before it can be stored and is never found (port `cache`).

Tags are changed three times, since each way alone loses something: by the committing process before it answers (so that
whoever heard the answer reads the change), by the projector after its commit (a read model shows the event only now), and by
followers of the log with a checkpoint (engine/cache_follower.py), which nothing that dies in between can make forget.

A cache that fails costs time, never an answer: the query runs. What it could not be told is told when it answers again, and
until then this process looks nothing up (engine/cache_owed.py).
"""

import asyncio
import hashlib
import logging
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from time import monotonic
from typing import Any, Protocol, TypeVar

import msgspec
from msgspec import UNSET

from armature.engine.cache_owed import OwedTags
from armature.engine.names import cache_key, cache_tag
from armature.kernel.event import event_type
from armature.kernel.failure import Failure
from armature.kernel.operation import Operation
from armature.ports.cache import Cache

__all__ = ["CachedQuery", "QueryCache", "Told"]

log = logging.getLogger("armature.cache")

T = TypeVar("T")

_JITTER = 0.1
# How long nothing is asked of a cache that failed, and how often it is said that it does.
_AWAY_SECONDS = 1.0
_SAID_SECONDS = 60.0
_canonical = msgspec.msgpack.Encoder(order="deterministic").encode


class Told(Protocol):
    """What an invalidation needs to know of an event; rows of the outbox and events of the log have it."""

    @property
    def tenant_id(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def stream(self) -> str: ...


class QueryCache:
    """The cached queries of an installation. `operations` are all that any process of it hosts, not only this one's."""

    def __init__(
        self,
        cache: Cache,
        installation: str,
        operations: Iterable[Operation],
        *,
        clock: Callable[[], float] = monotonic,
        chance: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.cache = cache
        self.installation = installation
        self.chance = chance
        self.owed = OwedTags(cache.invalidate)
        self._clock = clock
        self._away_until = 0.0
        self._said_at = -_SAID_SECONDS
        self._whole: set[str] = set()
        self._by_stream: set[str] = set()
        for declared in (one.declared.cache for one in operations):
            if declared is not None:
                names = {event_type(event).name for event in declared.until}
                (self._whole if declared.by is None else self._by_stream).update(names)

    @property
    def used(self) -> bool:
        """True when any query is cached."""
        return bool(self._whole or self._by_stream)

    def query(self, operation: Operation) -> "CachedQuery | None":
        """Return what keeps the answers of a query; None when it declares nothing."""
        return CachedQuery(self, operation) if operation.declared.cache is not None else None

    def tags(self, events: Iterable[Told]) -> list[str]:
        """Return the tags whose state the events change, each once."""
        found: dict[str, None] = {}
        for event in events:
            if event.type in self._whole:
                found[cache_tag(self.installation, event.tenant_id, event.type)] = None
            if event.type in self._by_stream:
                found[cache_tag(self.installation, event.tenant_id, event.type, event.stream)] = None
        return list(found)

    async def happened(self, events: Iterable[Told]) -> None:
        """Invalidate what the events end; a cache that fails is told later. The followers of the log come after."""
        tags = self.tags(events)
        if tags and not await self.tried(lambda: self._end(tags)):
            self.owed.add(tags)

    async def close(self) -> None:
        """Tell the cache nothing more."""
        await self.owed.close()

    async def _end(self, tags: Sequence[str]) -> bool:
        await self.cache.invalidate(tags)
        return True

    async def tried(self, ask: Callable[[], Awaitable[T]]) -> T | None:
        """Ask the cache; None when it fails, or failed a moment ago."""
        now = self._clock()
        if now < self._away_until:
            return None
        try:
            return await ask()
        except Exception as error:
            self._away_until = self._clock() + _AWAY_SECONDS
            if now - self._said_at >= _SAID_SECONDS:
                self._said_at = now
                known = isinstance(error, Failure)
                log.warning("the cache fails and queries run without it: %s", error, exc_info=None if known else error)
            return None


class CachedQuery:
    """The kept answers of one query. Callers of one process who miss the same answer wait for one of them."""

    def __init__(self, home: QueryCache, operation: Operation) -> None:
        declared = operation.declared.cache
        if declared is None:
            raise TypeError(f"{operation.full_name} declares no cache=cached(…)")
        self._home = home
        self._operation = operation
        self._seconds = declared.seconds
        self._by = declared.by
        self._until = [event_type(event) for event in declared.until]
        self._decode: Callable[[bytes], Any] = msgspec.json.Decoder(operation.result or Any).decode
        self._running: dict[tuple[str, bytes], asyncio.Future[bytes | None]] = {}

    async def answer(
        self, tenant: str, arguments: Mapping[str, Any], run: Callable[[], Awaitable[tuple[Any, bytes]]]
    ) -> tuple[Any, bytes]:
        """Return result and body: kept ones, or those of `run`, which are kept. What `run` raises is raised and not kept."""
        key, tags = self._names(tenant, arguments)
        found = None if self._home.owed else await self._home.tried(lambda: self._home.cache.get(key, tags))
        if found is None:
            return await run()
        if found.value is not None and (kept := self._read(found.value)) is not None:
            return kept
        # Only who has the same ticket may share: an older run may have read what was invalidated since.
        flight = (key, found.ticket)
        running = self._running.get(flight)
        if running is not None:
            body = await asyncio.shield(running)
            if body is not None and (kept := self._read(body)) is not None:
                return kept
            return await run()
        return await self._lead(flight, run)

    async def _lead(self, flight: tuple[str, bytes], run: Callable[[], Awaitable[tuple[Any, bytes]]]) -> tuple[Any, bytes]:
        mine = self._running[flight] = asyncio.get_running_loop().create_future()
        body: bytes | None = None
        try:
            result, body = await run()
        finally:
            del self._running[flight]
            mine.set_result(body)
        key, ticket = flight
        seconds = self._seconds * self._home.chance(1 - _JITTER, 1 + _JITTER)
        await self._home.tried(lambda: self._put(key, body, seconds, ticket))
        return result, body

    async def _put(self, key: str, body: bytes, seconds: float, ticket: bytes) -> None:
        await self._home.cache.put(key, body, seconds, ticket)

    def _read(self, body: bytes) -> tuple[Any, bytes] | None:
        try:
            return self._decode(body), body
        except msgspec.DecodeError:
            return None  # another release, with another shape of the answer, has stored it

    def _names(self, tenant: str, arguments: Mapping[str, Any]) -> tuple[str, list[str]]:
        operation, installation = self._operation, self._home.installation
        sent = {name: value for name, value in arguments.items() if value is not UNSET}
        digest = hashlib.blake2b(_canonical(sent), digest_size=16).hexdigest()
        key = cache_key(installation, tenant, operation.full_name, operation.version, digest)
        if self._by is None:
            return key, [cache_tag(installation, tenant, event.name) for event in self._until]
        about = arguments[self._by]
        return key, [cache_tag(installation, tenant, event.name, f"{event.domain}/{about}") for event in self._until]
