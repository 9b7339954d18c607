"""A fleet in this process on servers that tests may break, each behind a proxy."""

import asyncio
import shutil
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

from armature.adapters.nats.bus import NatsBus
from armature.adapters.nats.connection import NatsConnection
from armature.adapters.redis.bus import RedisBus
from armature.adapters.redis.connection import RedisConnection
from armature.kernel.refusals import Unavailable
from armature.ports.bus import Bus, Message
from armature.runtime.wire import Given
from armature.testing.faults import TcpProxy
from armature.testing.judges import Durable
from armature.testing.servers import LocalNats, LocalPostgres, LocalRedis
from armature.testing.stored import read_postgres

from .patience import PATIENCE_SECONDS, eventually
from .whole import Whole, migrate, whole

__all__ = ["Breakable", "Fleet", "fleet_on", "in_order"]

TYPES = ["counter.created", "counter.changed"]
_TEMPLATE = "breakable_template"
_QUIET_SECONDS = 0.3
_BEHIND = """
select (select count(*) from armature_outbox where position is null)
     + (select count(*) from armature_generations g left join armature_checkpoints c using (projection, generation)
         where g.state <> 'retired' and coalesce(c.position, 0) < (select max(position) from armature_outbox))
"""
_numbers = count(1)


class Breakable:
    """Servers for faults, started when the first test asks: each test leaves them running and healthy."""

    def __init__(self) -> None:
        self._open = ExitStack()

    @cached_property
    def postgres(self) -> LocalPostgres:
        """A PostgreSQL with a migrated template."""
        server = self._open.enter_context(LocalPostgres())
        migrate(server.create_database(_TEMPLATE))
        return server

    @cached_property
    def nats(self) -> LocalNats:
        """A NATS server."""
        return self._open.enter_context(LocalNats())

    @cached_property
    def redis(self) -> LocalRedis:
        """A Redis."""
        return self._open.enter_context(LocalRedis())

    def close(self) -> None:
        """Stop all."""
        self._open.close()


class Fleet:
    """One database of its own; `postgres`, `nats` and `redis` are the wires to the servers."""

    def __init__(self, servers: Breakable, postgres: TcpProxy, nats: TcpProxy, redis: TcpProxy, folder: Path) -> None:
        self.servers = servers
        self.postgres, self.nats, self.redis = postgres, nats, redis
        self.database = f"breakable_{next(_numbers)}"
        self._folder = folder
        folder.mkdir(exist_ok=True)
        servers.postgres.sql(f'create database "{self.database}" template "{_TEMPLATE}"')

    @asynccontextmanager
    async def open(
        self,
        part: str | None = None,
        *,
        topology: str = "fleet",
        given: Given | None = None,
        direct: bool = False,
        without: Sequence[str] = (),
        **environ: str,
    ) -> AsyncIterator[Whole]:
        """Open a process of a topology (None: all its roles in one, `without` some); `direct` goes past the proxies."""
        ports = [self.servers.postgres.port, self.servers.nats.port, self.servers.redis.port]
        if not direct:
            ports = [self.postgres.port, self.nats.port, self.redis.port]
        variables = {
            "ARMATURE_NATS_URL": f"nats://127.0.0.1:{ports[1]}",
            "ARMATURE_REDIS_URL": f"redis://127.0.0.1:{ports[2]}/0",
            **environ,
        }
        data = Path(tempfile.mkdtemp(dir=self._folder))
        (data / "secrets").mkdir()
        (data / "secrets" / "keys.cursor").write_text("70726f7665" * 8)
        url = f"postgresql://postgres@127.0.0.1:{ports[0]}/{self.database}"
        async with whole(url, data, topology=topology, given=given, part=part, without=without, **variables) as there:
            yield there

    @asynccontextmanager
    async def aside(self, **environ: str) -> AsyncIterator[Whole]:
        """Open all but relay and reactor in one process, past the proxies: those are elsewhere, and are what is broken."""
        without = ("relay", "reactor")
        async with self.open(topology="single-postgres", direct=True, without=without, **environ) as there:
            yield there

    @asynccontextmanager
    async def parts(self, *names: str, **given: Any) -> AsyncIterator[list[Whole]]:
        """Open several processes of the fleet."""
        async with AsyncExitStack() as stack:
            yield [await stack.enter_async_context(self.open(name, **given)) for name in names]

    async def durable(self) -> Durable:
        """Return what is stored."""
        return await asyncio.to_thread(read_postgres, self.servers.postgres, self.database)

    def bus(self, there: Whole) -> Bus:
        """Return a way of one's own to the broker of a process, past the proxies."""
        core = there.system.core
        if core.model.environment.bus.adapter == "redis":
            return RedisBus(RedisConnection(self.servers.redis.url), core.model.installation)
        return NatsBus(NatsConnection(self.servers.nats.url), core.model.installation)

    async def join(self, there: Whole) -> None:
        """Make the group of this fleet before anything is published."""
        await delivered(self.bus(there), self.database, TYPES, set())

    async def at_broker(self, there: Whole) -> list[Message]:
        """Return what the broker delivers when all of the log, numbered to its end, is among it."""
        await eventually(self._numbered, "events wait for their positions")
        wanted = {told.event_id for told in (await self.durable()).log}
        return await delivered(self.bus(there), self.database, TYPES, wanted)

    async def folded(self) -> None:
        """Return when every event has its position and every read model has it."""
        await eventually(self._folded, "a read model never comes to the end of the log")

    async def _folded(self) -> bool:
        return await self.sql(_BEHIND) == "0"

    async def _numbered(self) -> bool:
        return await self.sql("select count(*) from armature_outbox where position is null") == "0"

    async def sql(self, text: str) -> str:
        """Ask the database as its superuser."""
        return await asyncio.to_thread(self.servers.postgres.sql, text, self.database)


@contextmanager
def fleet_on(servers: Breakable, folder: Path) -> Iterator[Fleet]:
    """Make a database and the wires."""
    with (
        TcpProxy(servers.postgres.port) as postgres,
        TcpProxy(servers.nats.port) as nats,
        TcpProxy(servers.redis.port) as redis,
    ):
        try:
            yield Fleet(servers, postgres, nats, redis, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


async def delivered(bus: Bus, group: str, types: list[str], wanted: set[bytes]) -> list[Message]:
    """Return what a group at the broker gets, repeats included, when all that is wanted was among it."""
    await bus.open()
    found: list[Message] = []
    member = await bus.subscribe(group, types, in_order=False)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS * 2):
            while not wanted <= {message.event_id.bytes for message in found}:
                try:
                    got = await member.fetch(256, _QUIET_SECONDS)
                    await member.ack(got)
                except Unavailable:
                    await asyncio.sleep(_QUIET_SECONDS)
                    continue
                found += [one.message for one in got]
    finally:
        await member.close()
        await bus.close()
    return found


def in_order(messages: Sequence[Message]) -> None:
    """The first delivery of each event follows those before it of its stream."""
    streams: dict[str, list[int]] = defaultdict(list)
    for message in messages:
        if message.position not in streams[message.stream]:
            streams[message.stream].append(message.position)
    for name, positions in streams.items():
        assert positions == sorted(positions), f"{name} was first delivered as {positions}"
