"""Kept answers: whoever reads after a change was invalidated sees the change, whatever was computed before it and stored late."""

from typing import Any, Protocol
from uuid import UUID, uuid4

import pytest
from msgspec import Struct

from armature import Contract, Event, event, query
from armature.adapters.memory.cache import MemoryCache
from armature.engine.caching import QueryCache
from armature.kernel.operation import cached, operations
from armature.ports.cache import Found
from armature.testing.simulation import Process, Simulation, simulate

from .world import SEEDS, TENANT, live, pause

pytestmark = pytest.mark.slow
REGRESSIONS: list[int] = []


@event("sim.changed", schema=1, stream="thing_id")
class Changed(Event, frozen=True):
    """A thing changed."""

    thing_id: UUID


class Value(Struct, frozen=True):
    """What a thing is worth."""

    value: int


class Things(Contract, Protocol, name="sim", version=1):
    """Things with a value."""

    @query("GET /things/{thing_id}", public=True, cache=cached(seconds=1000, until=[Changed], by="thing_id"))
    async def get(self, ctx: Any, *, thing_id: UUID) -> Value:
        """Return one."""
        ...


class Told(Struct, frozen=True):
    """What an invalidation knows of an event."""

    tenant_id: str
    type: str
    stream: str


THING = uuid4()
TOLD = Told(TENANT, "sim.changed", f"sim/{THING}")
(GET,) = operations(Things)


class RemoteCache:
    """The cache port as a process has it."""

    def __init__(self, world: Simulation, cache: MemoryCache) -> None:
        self._world = world
        self._cache = cache

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def get(self, key: str, tags: Any) -> Found:
        return await self._world.reach(lambda: at_once(self._cache.get(key, tags)))

    async def put(self, key: str, value: bytes, seconds: float, ticket: bytes) -> None:
        await self._world.reach(lambda: at_once(self._cache.put(key, value, seconds, ticket)))

    async def invalidate(self, tags: Any) -> None:
        await self._world.reach(lambda: at_once(self._cache.invalidate(tags)))


def at_once(work: Any) -> Any:
    """Run what waits for nothing."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waited")


async def schedule(world: Simulation) -> None:
    cache = MemoryCache(clock=world.time)
    at_once(cache.open())
    stored, told, over = [0], [0], False

    def start(name: str) -> Process:
        process = Process(world, name)
        answers = QueryCache(RemoteCache(world, cache), "sim", [GET], clock=process.clock, chance=world.random.uniform)
        kept = answers.query(GET)
        assert kept is not None

        async def run() -> tuple[Value, bytes]:
            value = await world.reach(lambda: stored[0])
            await pause(world, world.random.choice((0.0, 0.01, 0.3)))
            return Value(value), b'{"value":%d}' % value

        async def read() -> bool:
            owed = told[0]
            answer, _ = await kept.answer(TENANT, {"thing_id": THING}, run)
            assert answer.value >= owed, f"read {answer.value} after the change to {owed} was invalidated"
            return world.random.random() < 0.3

        async def write() -> bool:
            def commit() -> int:
                stored[0] += 1
                return stored[0]

            value = await world.reach(commit)
            await answers.happened([TOLD])
            told[0] = max(told[0], value)
            return False

        failures.append(process.run(live_strictly(world, read, lambda: over)))
        process.run(live(world, write, lambda: over, 0.6))
        return process

    failures: list[Any] = []
    for name in "abc":
        start(name)
    await pause(world, 3.0)
    over = True
    await pause(world, 1.0)
    for one in failures:
        if one.done() and one.exception() is not None:
            raise one.exception()


async def live_strictly(world: Simulation, step: Any, until: Any) -> None:
    """Be a role that dies of what it finds."""
    while not until():
        if not await step():
            await pause(world, world.random.uniform(0.0, 0.2))


def test_nobody_reads_what_was_invalidated_before_he_asked() -> None:
    simulate(schedule, [*REGRESSIONS, *SEEDS])
