"""A topology of the stories, all its processes open, each web node behind a socket of its own."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from itertools import count
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any, Self

import msgspec

from armature.edges.http.server import HttpServer
from armature.engine.policies import HttpPolicy
from armature.runtime.process import System
from armature.runtime.wire import Core
from armature.testing.answer import Response
from armature.testing.line import Line
from armature.testing.prove.dump import settled
from armature.testing.prove.stage import Servers, Stage
from tests.topologies.sse import Stream

__all__ = ["Node", "Town", "until"]

SECONDS_MAX = 30.0
_LOOK_SECONDS = 0.002
# The servers hang up on whom they have not heard for a while.
_IDLE_SECONDS_MAX = 1.0
_numbers = count(1)


async def until(true: Callable[[], Any], what: str) -> None:
    """Return when something is so; a coroutine function is awaited."""
    end = monotonic() + SECONDS_MAX
    while True:
        found = true()
        if await found if asyncio.iscoroutine(found) else found:
            return
        assert monotonic() < end, f"not in {SECONDS_MAX:g} s: {what}"
        await asyncio.sleep(_LOOK_SECONDS)


class Node:
    """A process that answers requests."""

    def __init__(self, system: System, number: int) -> None:
        self.system = system
        self.number = number
        """Its place among the processes of the topology."""
        self.server = HttpServer(system.app, HttpPolicy(port=0, drain_seconds=1.0))
        self._idle: list[tuple[Line, float]] = []
        self._streams: list[Stream] = []

    async def ask(
        self, method: str, path: str, json: Any = msgspec.UNSET, headers: dict[str, str] | None = None, *, tenant: str = "public"
    ) -> Response:
        """Send a request over a socket; as many at a time as there are callers."""
        body = None if json is msgspec.UNSET else msgspec.json.encode(json)
        return await self.send(method, path, body, {**(headers or {}), "x-tenant-id": tenant})

    async def send(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Response:
        """Send exactly this."""
        line, used = self._idle.pop() if self._idle else (Line(self.server.port), 0.0)
        if monotonic() - used > _IDLE_SECONDS_MAX:
            line.close()
        answered = await line.request(method, path, headers, body)
        self._idle.append((line, monotonic()))
        return Response(answered.status, answered.headers, answered.body)

    async def follow(self, path: str, *, tenant: str = "public", last: str = "", buffer: int = 1 << 16) -> Stream:
        """Open a stream of events."""
        stream = await Stream.open(self.server.port, path, {"x-tenant-id": tenant, "last-event-id": last}, buffer)
        self._streams.append(stream)
        return stream

    def leave_streams(self) -> None:
        """Close what `follow` opened."""
        for one in self._streams:
            one.close()
        self._streams.clear()

    async def close(self) -> None:
        """Hang up and listen no more."""
        self.leave_streams()
        for line, _ in self._idle:
            line.close()
        await self.server.stop()


class Town:
    """`async with Town(root, "fleet", servers) as town:`; stories of one town take tenants of their own."""

    def __init__(self, root: Path, topology: str, servers: Servers) -> None:
        self.topology = topology
        self.nodes: list[Node] = []
        self._stage = Stage(root, topology, servers)

    @property
    def here(self) -> Node:
        """The first node."""
        return self.nodes[0]

    @property
    def core(self) -> Core:
        """The first process that has a database."""
        return self._stage.cores[0]

    @property
    def there(self) -> Node:
        """Another node, where there is one."""
        return self.nodes[-1]

    @property
    def systems(self) -> list[System]:
        """All processes."""
        return self._stage.systems

    @property
    def probe(self) -> Any:
        """The errands' probe, which is theirs in every process of the town."""
        return import_module("modules.errand.probe")

    def tenant(self) -> str:
        """Return a tenant whom nobody knows yet."""
        return f"tenant-{next(_numbers)}"

    async def settled(self) -> None:
        """Return when every event has its position and every projection has folded it."""
        await settled(*self._stage.cores)
        for system in self.systems:
            for name in system.core.read_models.fingerprints if system.core.grounded else ():
                await system.core.read_models.look(name)

    async def leave_streams(self) -> None:
        """Close every stream; return when no node serves one."""
        for node in self.nodes:
            node.leave_streams()
        await until(lambda: not any(node.server.running for node in self.nodes), "the nodes let go of streams that were left")

    async def __aenter__(self) -> Self:
        await self._stage.__aenter__()
        for number, system in enumerate(self.systems):
            if "http" in system.core.seat.roles:
                node = Node(system, number)
                await node.server.start()
                self.nodes.append(node)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for node in self.nodes:
            with suppress(OSError):
                await node.close()
        await self._stage.__aexit__(kind, error, trace)
