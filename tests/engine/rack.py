"""The small project as tests speak of it."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import apsw

from armature.engine.call import Call, Caller, Identity
from armature.testing.answer import Response
from armature.testing.app import TestApp
from tests.engine import probe

__all__ = ["WORLD", "add", "at_gate", "call", "count", "handed_over", "locked", "rack", "run", "sent"]

WORLD = Path(__file__).parent / "world"
ANN = Identity("ann", frozenset({"*"}))


@asynccontextmanager
async def rack(data: Path | None = None, **policies: str) -> AsyncIterator[TestApp]:
    """Open the project; `policies` are `SECTION__KEY` values."""
    async with TestApp(WORLD, environ={f"ARMATURE_{name}": value for name, value in policies.items()}, data=data) as app:
        yield app


async def add(app: TestApp, name: str) -> str:
    """Put an item on the rack; return its id."""
    made = await app.post("/v1/items", json={"name": name})
    assert made.status == 201, made
    return str(made.json()["id"])


async def count(app: TestApp) -> int:
    """Return how many things were ever told: each effect tells one."""
    return len(await app.events())


@asynccontextmanager
async def at_gate(operation: str, waiting: Any) -> AsyncIterator["asyncio.Task[Response]"]:
    """Start a request and hold it where the operation waits; at the end it goes on. Newcomers are not held."""
    gate = probe.gates[operation] = probe.Gate()
    task = asyncio.ensure_future(waiting)
    await gate.reached.wait()
    del probe.gates[operation]
    try:
        yield task
    finally:
        gate.open.set()


@contextmanager
def locked(app: TestApp) -> Iterator[apsw.Connection]:
    """Hold the file's write lock, as another process would; what is written here is committed at the end."""
    db = apsw.Connection(str(app.model.database_path))
    db.set_busy_timeout(5_000)
    db.execute("begin immediate")
    try:
        yield db
    finally:
        db.execute("commit")
        db.close()


async def handed_over(made: Call) -> None:
    """Return when the call waits for its verdict."""
    while made.phase != "commit":  # noqa: ASYNC110 - the call tells nobody
        await asyncio.sleep(0.001)


def call(
    app: TestApp, operation: str, *, seconds: float | None = None, key: str | None = None, caller: Caller | None = None
) -> Call:
    """Return a call as the HTTP edge would make it."""
    made = app.system.core.pipeline(operation).new_call("public", ANN, "test", seconds)
    made.key = key
    made.caller = caller
    return made


async def run(app: TestApp, made: Call, arguments: Mapping[str, Any]) -> Any:
    """Run a call through the pipeline; refusals are raised."""
    pipeline = app.system.core.pipeline(made.operation)
    return await pipeline.run(made, pipeline.arguments.from_values(arguments), "http", sent(arguments))


def sent(arguments: Mapping[str, Any]) -> tuple[bytes, ...]:
    """Return what stands for the bytes that came over a wire."""
    return (repr(sorted(arguments.items())).encode(),)
