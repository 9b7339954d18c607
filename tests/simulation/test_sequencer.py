"""Numbering: dense, once and for ever, in the order of each stream, with two sequencers that are killed (I7, I8).

The statements of the PostgreSQL adapter run on a model of what that database promises: a statement sees what was committed when
it began; a row's lock is waited for after that; whoever wrote without the lock waits for it when he writes.
"""

from typing import Any

import pytest

from armature.adapters.postgres.numbering import number
from armature.testing.simulation import Process, Simulation, simulate

from .world import SEEDS, live, pause, trouble

pytestmark = pytest.mark.slow
REGRESSIONS: list[int] = []


class Server:
    """An outbox and its head."""

    def __init__(self) -> None:
        self.next_id = 1
        self.events: dict[int, tuple[str, int]] = {}
        """What is committed, by id: stream and version."""
        self.positions: dict[int, int] = {}
        self.last = 0
        self.holder: Connection | None = None
        self.changed: list[str] = []


class Connection:
    """One session; its process's death ends it."""

    def __init__(self, world: Simulation, server: Server, process: Process) -> None:
        self.world, self.server, self.process = world, server, process
        self.pending: dict[int, int] = {}
        self.over = False

    async def fetchval(self, query: str) -> bool:
        return await self.world.reach(lambda: any(id not in self.server.positions for id in self.server.events))

    async def execute(self, query: str) -> None:
        if query == "commit":
            await self.world.reach(self.commit)
        else:
            await self._statement(query, 0)

    async def fetchrow(self, query: str, limit: int) -> dict[str, Any] | None:
        return await self._statement(query, limit)

    async def _statement(self, query: str, limit: int) -> dict[str, Any] | None:
        await self.world.reach(lambda: None)
        server = self.server
        waiting = sorted(id for id in server.events if id not in server.positions)[:limit]
        numbers = "update armature_outbox" in query
        while ("for update" in query or (numbers and waiting)) and server.holder is not self:
            self._wake_the_dead()
            if server.holder is None:
                server.holder = self
            else:
                await pause(self.world, 0.01)
        if not numbers or not waiting:
            return None
        self.pending = {id: server.last + k for k, id in enumerate(waiting, 1)}
        await self.world.reach(lambda: None)
        return {"count": len(waiting), "last": server.last + len(waiting)}

    def commit(self) -> None:
        if self.over:
            raise ConnectionError("the session has ended")
        server = self.server
        for id, position in self.pending.items():
            if id in server.positions:
                server.changed.append(f"event {id} was position {server.positions[id]} and became {position}")
            server.positions[id] = position
        server.last = max([server.last, *self.pending.values()])
        self.pending = {}
        if server.holder is self:
            server.holder = None

    def _wake_the_dead(self) -> None:
        holder = self.server.holder
        if holder is not None and holder.process.dead:
            holder.over, self.server.holder = True, None


async def schedule(world: Simulation) -> None:
    server, over, working = Server(), False, [3]

    async def write(stream: str) -> None:
        for version in range(1, 7):
            id, server.next_id = server.next_id, server.next_id + 1
            await pause(world, world.random.choice((0.001, 0.01, 0.3)))
            if world.random.random() < 0.1:  # rolled back: the id is gone, the version is not
                id, server.next_id = server.next_id, server.next_id + 1
            server.events[id] = (stream, version)
        working[0] -= 1

    def start(name: str) -> Process:
        process = Process(world, name)
        connection = Connection(world, server, process)

        async def step() -> bool:
            return (await number(connection, 4)).count > 0

        process.run(live(world, step, lambda: over))
        return process

    for stream in "xyz":
        world.create_task(write(stream))
    await trouble(world, [start("a"), start("b")], start, 2)
    while working[0] or len(server.positions) < len(server.events):
        await pause(world, 0.1)
        assert world.time() < 60, "committed events that are never numbered"
    over = True
    assert not server.changed, f"a position was changed: {server.changed[0]}"
    assert sorted(server.positions.values()) == list(range(1, len(server.events) + 1)), "positions are not dense"
    told = [server.events[id] for id, _ in sorted(server.positions.items(), key=lambda item: item[1])]
    for stream in "xyz":
        versions = [version for name, version in told if name == stream]
        assert versions == sorted(versions), f"positions invert the versions of a stream: {versions}"


def test_positions_are_dense_and_final_whoever_is_killed() -> None:
    simulate(schedule, [*REGRESSIONS, *SEEDS])
