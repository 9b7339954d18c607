"""A whole process in a test: the real modules, pipeline, database file and HTTP application; only the socket is missing.

    async with TestApp(Path(".")) as app:
        made = await app.post("/v1/counters", json={"name": "visits"})
        assert made.status == 201

Each `TestApp` has a data folder of its own, which is thrown away at the end. Nothing in it waits for real time except
`settled`, which ends as soon as what it waits for is true.
"""

import asyncio
import tempfile
from collections.abc import Mapping
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any, Self

import msgspec
from msgspec import Struct

from armature.engine.call import Identity
from armature.engine.event_log import Logged
from armature.engine.ids import IdSource
from armature.ports.http import Http
from armature.runtime.model import Model, load
from armature.runtime.process import System, open_system
from armature.runtime.project import load_project
from armature.runtime.wire import Given
from armature.testing.client import Client
from armature.testing.clock import Clock
from armature.testing.outbound import OutboundFake
from armature.testing.reacted import reacted

__all__ = ["LoggedEvent", "TestApp"]

# Only a bug takes so long; a test that waits in vain says what it waited for instead of hanging.
_SETTLE_SECONDS_MAX = 30.0
_LOOK_SECONDS = 0.002
_LOG_BATCH = 1_000


class LoggedEvent(Struct, frozen=True):
    """An event as the log holds it."""

    position: int
    type: str
    tenant: str
    stream: str
    version: int | None
    data: dict[str, Any]


class TestApp(Client):
    """The project at `root`, open between `async with` and its end.

    `ports` replaces ports by type (`{Http: …}`; the outbound fake is there already), `environ` sets policies as
    `ARMATURE_<SECTION>__<KEY>`, and `data` names a folder that is kept instead of a temporary one.
    """

    __test__ = False  # pytest collects classes that begin with Test

    def __init__(
        self,
        root: Path,
        *,
        environ: Mapping[str, str] | None = None,
        ports: Mapping[type, object] | None = None,
        data: Path | None = None,
    ) -> None:
        super().__init__()
        self.clock = Clock()
        self.outbound = OutboundFake()
        self._root = root
        # One source for all restarts: a clock that stands still must not give old ids to new things.
        self._ids = IdSource(self.clock.nanoseconds)
        self._environ = dict(environ or {})
        self._ports: dict[type, object] = {Http: self.outbound, **(ports or {})}
        self._temporary = None if data else tempfile.TemporaryDirectory(prefix="armature-test-", ignore_cleanup_errors=True)
        self.data = data or Path(self._temporary.name if self._temporary else "")
        self._system: System | None = None

    @property
    def system(self) -> System:
        """The open process, for what this class has no word for."""
        if self._system is None:
            raise RuntimeError("the application is not open; write `async with TestApp(…) as app:`")
        return self._system

    @property
    def model(self) -> Model:
        """What the project is configured to."""
        return self.system.core.model

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def open(self) -> None:
        """Migrate the throw-away database and open the process on it."""
        flags = {"--data": str(self.data)}
        model = load(self._root, topology="single", environment="dev", flags=flags, environ=self._environ)
        given = Given(
            now=self.clock.now,
            seconds=self.clock.seconds,
            new_id=self._ids.new,
            ports=self._ports,
        )
        self._system = await open_system(model, load_project(self._root), self._environ, given=given)
        self.asgi = self._system.app

    async def close(self) -> None:
        """Stop the process and throw its data away; a second call does nothing."""
        system, self._system = self._system, None
        if system is not None:
            await system.close()
        if self._temporary is not None:
            self._temporary.cleanup()

    async def restart(self) -> None:
        """Close the process and open it again on the same data: what only lived in memory is gone."""
        system, self._system = self.system, None
        await system.close()
        await self.open()

    async def call(self, operation: str, /, *, as_tenant: str = "public", as_actor: str = "developer", **arguments: Any) -> Any:
        """Call an operation by its full name, straight through the pipeline; refusals are raised.

        The caller has every permission. `await app.call("counter.increment", counter_id=found.id, by=2)`.
        """
        pipeline = self.system.core.pipeline(operation)
        call = pipeline.new_call(as_tenant, Identity(as_actor, frozenset({"*"})), "test")
        await pipeline.limit(call)
        return (await pipeline.run(call, pipeline.arguments.from_values(arguments), "test", ())).result

    async def settled(self) -> None:
        """Return when every reaction has taken what is in the log, and every projection has folded it and what came of it."""
        core = self.system.core
        await reacted(core)
        head = await core.log.head()
        until = monotonic() + _SETTLE_SECONDS_MAX
        for name, fingerprint in core.read_models.fingerprints.items():
            while not await self._reached(name, fingerprint, head):
                if monotonic() > until:
                    raise AssertionError(await self._stuck(name, head))
                await asyncio.sleep(_LOOK_SECONDS)

    async def events(self) -> list[LoggedEvent]:
        """Return everything that was ever told, oldest first."""
        log, found = self.system.core.log, list[LoggedEvent]()
        while batch := await log.after(len(found), _LOG_BATCH):
            found += map(_shown, batch)
        return found

    async def _reached(self, projection: str, fingerprint: str, head: int) -> bool:
        rows = await self.system.core.generations.of(projection)
        reached = any(row.state == "live" and row.fingerprint == fingerprint and row.position >= head for row in rows)
        if reached:
            # Readers learn of it now and not when they happen to look.
            await self.system.core.read_models.look(projection)
        return reached

    async def _stuck(self, projection: str, head: int) -> str:
        rows = await self.system.core.generations.of(projection)
        seen = (
            ", ".join(f"generation {row.generation} is {row.state} at {row.position}" for row in rows) or "it has no generation"
        )
        return f"{projection} did not reach position {head} in {_SETTLE_SECONDS_MAX:g} s: {seen}; is its fold refusing an event?"


def _shown(event: Logged) -> LoggedEvent:
    data = msgspec.json.decode(event.payload)
    return LoggedEvent(event.position, event.type, event.tenant_id, event.stream, event.stream_version, data)
