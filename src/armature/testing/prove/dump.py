"""What a topology is left with after a trace: rows, read models, events and stored answers, as canonical lines and their hash."""

import asyncio
from collections.abc import Iterator, Sequence
from hashlib import sha256
from time import monotonic
from typing import Any

import msgspec
from msgspec import Struct

from armature.engine import migrations
from armature.engine.catalogue import Table, every_row, tables_of, texts
from armature.engine.generations import Model
from armature.kernel.statement import Statement, select
from armature.runtime.project import Project
from armature.runtime.wire import Core
from armature.testing.reacted import Rest

__all__ = ["Dump", "Part", "dump", "settled"]

_SETTLE_SECONDS_MAX = 60.0
_LOOK_SECONDS = 0.02
_LOG_BATCH = 1_000


class Part(Struct, frozen=True):
    """One comparable part: `kind` is state, projection, events or keys; lines are canonical JSON."""

    kind: str
    name: str
    lines: tuple[str, ...]

    @property
    def hash(self) -> str:
        """Return the hash over the lines."""
        return sha256("\n".join(self.lines).encode()).hexdigest()


class Dump(Struct, frozen=True):
    """Everything a topology is left with."""

    parts: tuple[Part, ...]

    def hash_of(self, kind: str) -> str:
        """Return the hash over all parts of a kind."""
        return sha256("".join(part.name + part.hash for part in self.parts if part.kind == kind).encode()).hexdigest()


class _Key(Struct, frozen=True):
    scope: bytes
    fingerprint: bytes
    outcome: bytes
    refused: bool
    events: bool


KEYS = select(
    _Key,
    """
select scope, fingerprint, outcome, refused, last_id is not null as events
  from armature_keys where tenant_id = :tenant_id order by scope
""",
)


async def settled(*cores: Core) -> None:
    """Return when in each of them every event has its position, every reaction has taken it and every projection applied it."""
    until = monotonic() + _SETTLE_SECONDS_MAX
    seen: list[int] = []
    rest = Rest(cores)
    while True:
        heads = [await core.log.head() for core in cores]
        behind = [name for core, head in zip(cores, heads, strict=True) for name in await _behind(core, head)]
        behind += await rest.names()
        if not behind and heads == seen and not any([await _unnumbered(core) for core in cores]):
            return
        seen = heads
        if monotonic() > until:
            raise TimeoutError(f"{', '.join(behind) or 'the log'} did not come to rest at position {heads}")
        await asyncio.sleep(_LOOK_SECONDS)


async def _behind(core: Core, head: int) -> list[str]:
    return [name for name in core.read_models.fingerprints if not await _reached(core, name, head)]


async def dump(cores: Sequence[Core], project: Project, tenants: Sequence[str]) -> Dump:
    """Read everything of these tenants; each module from the first process that hosts it, each log once."""
    parts: list[Part] = []
    for loaded in project.modules:
        files = migrations.found([(loaded.name, loaded.folder)], "sqlite")
        core = next((one for one in cores if one.seat.hosts(loaded.name)), None)
        if core is None:
            continue  # nothing of it is written down
        for table in tables_of(list(texts([one for one in files if one.module == loaded.name]))):
            parts.append(Part("state", table.name, await _rows(core, table, every_row(table), tenants)))
        for model in core.read_models.models:
            if model.name.partition(".")[0] == loaded.name:
                parts += await _read_model(core, model, tenants)
    logs = {await core.log.identity(): core for core in reversed(cores)}.values()
    parts.append(Part("events", "log", tuple(sorted([line for core in logs async for line in _events(core)]))))
    kept = [line for core in logs for tenant in tenants for line in await _keys(core, tenant)]
    parts.append(Part("keys", "armature_keys", tuple(sorted(kept))))
    return Dump(tuple(parts))


async def _read_model(core: Core, model: Model, tenants: Sequence[str]) -> list[Part]:
    await core.read_models.look(model.name)
    generation = await core.read_models.ready(model.name, None, 0.0)
    tables = tables_of([(model.projection.tables, model.ddl)])
    asked = [(table, generation.statement(every_row(table))) for table in tables]
    return [Part("projection", table.name, await _rows(core, table, one, tenants)) for table, one in asked]


async def _keys(core: Core, tenant: str) -> list[str]:
    core.database.bind((KEYS,))
    rows = (await core.database.read(((KEYS, (tenant,)),)))[0]
    # Marks of messages are no answers: only what comes over a broker leaves them.
    return list(_lines([row for row in rows if row.outcome]))


async def _rows(core: Core, table: Table, asked: Statement, tenants: Sequence[str]) -> tuple[str, ...]:
    core.database.bind((asked,))
    values = [(tenant,) for tenant in tenants] if table.of_tenant else [()]
    return tuple([line for one in values for line in _lines((await core.database.read(((asked, one),)))[0])])


def _lines(rows: Sequence[Any]) -> Iterator[str]:
    return (msgspec.json.encode(row).decode() for row in rows)


async def _events(core: Core) -> Any:
    """Events in the order of their streams; a position that is missing ends the reading with its name (ArchiveHole)."""
    position = 0
    while batch := await core.log.after(position, _LOG_BATCH):
        for event in batch:
            version = event.stream_version if event.stream_version is not None else -1
            said = (event.tenant_id, event.stream, f"{version:012}", str(event.event_id), event.type, event.at_micros)
            yield msgspec.json.encode((*said, event.actor, event.payload)).decode()
        position = batch[-1].position


async def _reached(core: Core, projection: str, head: int) -> bool:
    fingerprint = core.read_models.fingerprints[projection]
    rows = await core.generations.of(projection)
    return any(row.state == "live" and row.fingerprint == fingerprint and row.position >= head for row in rows)


class _Waiting(Struct, frozen=True):
    unnumbered: int


# On SQLite the id is the position, so nothing ever waits for a number.
UNNUMBERED = select(
    _Waiting,
    "select cast(count(*) as bigint) as unnumbered from armature_outbox where position is null",
    sqlite="select 0 as unnumbered",
)


async def _unnumbered(core: Core) -> bool:
    core.database.bind((UNNUMBERED,))
    ((found,),) = await core.database.read(((UNNUMBERED, ()),))
    return bool(found.unnumbered)
