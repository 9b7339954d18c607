"""Waiting: whoever waits for something is woken by the signal that says so, however subscribing, looking and sending cross."""

from time import monotonic
from typing import Any

import pytest

from armature.adapters.memory.signal import Hub, MemoryListener
from armature.engine.waiting import Waiter
from armature.testing.simulation import Process, Simulation, simulate

from .world import SEEDS, TENANT, pause

pytestmark = pytest.mark.slow
REGRESSIONS: list[int] = []
SLOW_LOOK = 60.0


class RemoteSignal:
    """The signal port as a process has it: loses nothing, so that only the order of the steps can."""

    def __init__(self, world: Simulation, hub: Hub) -> None:
        self._world = world
        self._hub = hub

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def send(self, subject: str, payload: bytes = b"") -> None:
        def tell() -> None:
            for listener in self._hub.listeners.get(subject, ()):
                listener.backlog.put(payload)

        await self._world.reach(tell)

    async def listen(self, subject: str, *, backlog: int = 64) -> MemoryListener:
        return await self._world.reach(lambda: MemoryListener(self._hub, subject, backlog))


async def schedule(world: Simulation) -> None:
    hub, there, found = Hub(), [False], [-1.0]
    here, far = (Waiter(RemoteSignal(world, hub), "sim", "things", look_seconds=SLOW_LOOK) for _ in "ab")

    async def look() -> bool | None:
        return await world.reach(lambda: there[0]) or None

    async def wait() -> None:
        await here.wait(TENANT, "thing", look, monotonic() + 10_000)
        found[0] = world.time()

    async def wake() -> None:
        await pause(world, world.random.uniform(0.0, 0.03))
        await world.reach(lambda: there.__setitem__(0, True))
        await far.wake(TENANT, "thing")

    tasks: list[Any] = [Process(world, "a").run(wait()), Process(world, "b").run(wake())]
    await pause(world, 5.0)
    assert found[0] >= 0, "the waiter slept through the signal"
    assert all(task.done() for task in tasks)


def test_no_waiter_sleeps_through_a_signal() -> None:
    simulate(schedule, [*REGRESSIONS, *SEEDS])
