"""A topology on a stage: servers of its own, and every process of it open in this event loop, each with its own core.

The processes share nothing but what a fleet shares (database, broker, cache), so that two nodes are two nodes; and calls go
straight into the applications, so that a recorded call brings its ids and its time along.
"""

import asyncio
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any, Self

from armature.kernel.operation import Operation
from armature.runtime.model import Model, load
from armature.runtime.process import Part, System, open_system
from armature.runtime.project import Project, load_project
from armature.runtime.wire import Core, Given
from armature.testing.prove import context
from armature.testing.servers import LocalNats, LocalPostgres, LocalRedis

__all__ = ["Servers", "Stage"]

# Signs the cursors of every topology alike, or pages could not be compared.
_CURSOR_KEY = "70726f7665" * 8

_READY_SECONDS_MAX = 60.0
_LOOK_SECONDS = 0.01


class Servers:
    """The servers that stages need, started when the first one asks, closed together."""

    def __init__(self) -> None:
        self._kept: dict[str, Any] = {}
        self._databases = 0
        self._stages = 0

    def installation(self) -> str:
        """Return a name that no other stage on these servers has: what a broker keeps of one is not another's."""
        self._stages += 1
        return f"stage-{self._stages}"

    def environ(self, model: Model) -> dict[str, str]:
        """Start what the environment names and return where it is, by the variables that it reads."""
        found: dict[str, str] = {}
        ports = [getattr(model.environment, port) for port in ("database", "bus", "signal", "cache", "limiter")]
        for binding in (*ports, *model.environment.databases.values()):
            reference = getattr(binding, "url", None) or ""
            if reference.startswith("env:") and reference[4:] not in found:
                found[reference[4:]] = self._address(binding.adapter)
        return found

    def close(self) -> None:
        """Stop all of them."""
        for server in self._kept.values():
            server.close()
        self._kept.clear()

    def _address(self, adapter: str) -> str:
        kinds: Mapping[str, Any] = {"postgres": LocalPostgres, "nats": LocalNats, "redis": LocalRedis}
        if adapter not in self._kept:
            server = kinds[adapter]()
            server.start()
            self._kept[adapter] = server
        server = self._kept[adapter]
        if adapter != "postgres":
            return str(server.url)
        self._databases += 1
        return str(server.create_database(f"stage_{self._databases}"))


class Stage:
    """`async with Stage(root, "fleet", servers) as stage:` opens every process of the topology on a fresh database."""

    def __init__(self, root: Path, topology: str, servers: Servers, environ: Mapping[str, str] | None = None) -> None:
        self.topology = topology
        self.systems: list[System] = []
        self._root = root
        self._servers = servers
        self._environ = dict(environ or {})
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        try:
            await self._raise()
        except BaseException:
            await self._open.aclose()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._open.aclose()

    @property
    def nodes(self) -> list[System]:
        """The processes that answer requests."""
        return [system for system in self.systems if "http" in system.core.seat.roles]

    @property
    def cores(self) -> list[Core]:
        """As few processes with a database as host all modules."""
        found: list[Core] = []
        seen: set[str] = set()
        for core in (system.core for system in self.systems):
            here = {loaded.name for loaded in core.hosted.modules}
            if core.grounded and not here <= seen:
                seen |= here
                found.append(core)
        return found

    @property
    def operations(self) -> Sequence[Operation]:
        """Every operation of every module."""
        return [one for loaded in self.project.modules for one in loaded.operations()]

    async def _raise(self) -> None:
        data = self._open.enter_context(tempfile.TemporaryDirectory(prefix="armature-stage-", ignore_cleanup_errors=True))
        secrets = Path(data) / "secrets"
        secrets.mkdir()
        (secrets / "keys.cursor").write_text(f"{_CURSOR_KEY}\n")
        named = {"ARMATURE_INSTALLATION": self._servers.installation(), **self._environ}
        self.model = load(self._root, topology=self.topology, environment=None, flags={"--data": data}, environ=named)
        self.project: Project = load_project(self._root)
        found = await asyncio.to_thread(self._servers.environ, self.model)
        environ = {**self._environ, **found}
        given = Given(now=context.now, new_id=context.new_id, taking=context.taking, answering=context.answering)
        for name, process in self.model.topology.processes.items():
            for _ in range(process.replicas):
                system = await open_system(self.model, self.project, environ, given=given, part=Part(name))
                self._open.push_async_callback(system.close)
                self.systems.append(system)
        await self._ready()

    async def _ready(self) -> None:
        """Wait until each process says that it may be asked: some wait for others that were opened after them."""
        until = monotonic() + _READY_SECONDS_MAX
        while missing := [reason for system in self.systems for reason in system.health.missing()]:
            if monotonic() > until:
                raise TimeoutError(f"{self.topology} is not ready: {missing[0]}")
            await asyncio.sleep(_LOOK_SECONDS)
