"""A small module's events and read models on a real database file, with a clock that moves by hand."""

import hashlib
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import apsw
import msgspec
from msgspec import Struct

import armature.engine
from armature import Event, Fold, Projection, change, event, on, select
from armature.adapters.sqlite.database import SqliteDatabase
from armature.adapters.sqlite.ddl import SqliteDdl
from armature.engine.archive import Archive
from armature.engine.event_log import EventLog
from armature.engine.generations import Generations, Model, unit
from armature.engine.policies import DatabasePolicy, ProjectionPolicy, QueryPolicy, RetentionPolicy
from armature.engine.projections import HostedProjection, Shop
from armature.engine.read_models import ReadModels
from armature.engine.requests import Requests
from armature.ports.database import EventRow

SCHEMA = Path(armature.engine.__file__).parent / "schema" / "0001_foundation.sqlite.sql"

LINES_DDL = """
create table probe_lines (
    tenant_id text        not null,
    probe_id  uuid        not null,
    version   bigint      not null,
    value     bigint      not null check (value <> 666),
    at        timestamptz not null,
    primary key (tenant_id, probe_id, version)
);
create index probe_lines_by_time on probe_lines (tenant_id, at);
"""

SUMS_DDL = """
create table probe_sums (
    tenant_id text   not null primary key,
    value     bigint not null,
    steps     bigint not null
);
"""


@event("probe.stepped", schema=1, stream="probe_id", version="version")
class Stepped(Event, frozen=True):
    """A probe moved."""

    probe_id: UUID
    by: int
    value: int
    version: int


@event("probe.split", schema=1, stream="probe_id", version="version")
class Split(Event, frozen=True):
    """A probe became many lines at once."""

    probe_id: UUID
    lines: int
    version: int


class Line(Struct, frozen=True):
    version: int
    value: int


class Sum(Struct, frozen=True):
    value: int
    steps: int


ADD_LINE = change(
    """
insert into probe_lines (tenant_id, probe_id, version, value, at) values (:tenant_id, :probe_id, :version, :value, :occurred_at)
""",
    row=("probe_id", "version"),
)
ADD_UP = change(
    """
insert into probe_sums (tenant_id, value, steps) values (:tenant_id, :by, 1)
    on conflict (tenant_id) do update set value = probe_sums.value + excluded.value, steps = probe_sums.steps + 1
""",
)
LINES = select(
    Line,
    "select version, value from probe_lines where tenant_id = :tenant_id and probe_id = :probe_id order by version limit 1000",
)
SUM = select(Sum, "select value, steps from probe_sums where tenant_id = :tenant_id")
STATEMENTS = (ADD_LINE, ADD_UP, LINES, SUM)


class Poisoned(Exception):
    """What the lines say to an event they cannot take."""


class Lines(Projection, name="probe.lines", version=1, tables="lines.sql", order="stream"):
    """One line for each step. Steps by 13 cannot be folded until `cured`."""

    def __init__(self, *, cured: bool = False) -> None:
        self.cured = cured

    @on(Stepped)
    def stepped(self, fold: Fold, event: Stepped) -> None:
        if event.by == 13 and not self.cured:
            raise Poisoned("a step by 13")
        fold.plan(ADD_LINE, event)

    @on(Split)
    def split(self, fold: Fold, event: Split) -> None:
        for line in range(event.lines):
            fold.plan(ADD_LINE, event, version=event.version + line, value=line)


class Sums(Projection, name="probe.sums", version=1, tables="sums.sql", order="tenant"):
    """The sum of all steps of a tenant."""

    def __init__(self, *, cured: bool = True) -> None:
        self.cured = cured

    @on(Stepped)
    def stepped(self, fold: Fold, event: Stepped) -> None:
        if event.by == 13 and not self.cured:
            raise Poisoned("a step by 13")
        fold.plan(ADD_UP, event)


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.at = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def forward(self, **by: float) -> None:
        self.at += timedelta(**by)


class Lab:
    """One process of the probe module: everything the runtime would wire, and nothing else."""

    def __init__(
        self,
        folder: Path,
        *,
        clock: Callable[[], datetime] | None = None,
        policy: ProjectionPolicy | None = None,
        retention: RetentionPolicy | None = None,
        lines: Projection | None = None,
        sums: Projection | None = None,
    ) -> None:
        self.path = folder / "probe.db"
        self.archive_folder = folder / "archive"
        self.clock = clock or Clock()
        self.policy = policy or ProjectionPolicy()
        self.retention_policy = retention or RetentionPolicy()
        self.models = [Model.of(lines or Lines(), LINES_DDL), Model.of(sums or Sums(), SUMS_DDL)]

    async def __aenter__(self) -> "Lab":
        new = not self.path.exists()
        queries = QueryPolicy()
        self.db = SqliteDatabase(self.path, policy=DatabasePolicy(), queries=queries, turn_seconds=0.25)
        await self.db.open()
        if new:
            await self.db.script(SCHEMA.read_text())
        self.log = EventLog(self.db, self.archive_folder)
        self.generations = Generations(self.db, SqliteDdl(), self.clock)
        self.reads = ReadModels(self.db, self.generations, self.models, STATEMENTS, queries.position_wait_seconds)
        self.requests = Requests(self.db, self.clock)
        self.shop = Shop(self.db, self.log, self.generations, self.reads, self.requests, self.policy, self.clock)
        self.lines, self.sums = (HostedProjection(model, self.shop) for model in self.models)
        self.archive = Archive(
            self.db, self.archive_folder, self.retention_policy, self.clock, self.policy.generation_keep_seconds
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.db.close()

    async def tell(self, *events: Event, tenant: str = "public") -> int:
        """Record events, as a command's commit would; return the last id."""
        rows = [self._row(one, tenant) for one in events]
        verdict = await self.db.commit(msgspec.structs.replace(unit(()), events=rows))
        return verdict.last_id  # type: ignore[union-attr, return-value]

    async def walk(self, steps: int, probes: int = 5, tenant: str = "public") -> list[UUID]:
        """Let some probes make steps, spread evenly."""
        ids = [uuid4() for _ in range(probes)]
        for first in range(0, steps, 200):
            upto = min(first + 200, steps)
            await self.tell(
                *(Stepped(ids[n % probes], 1, n // probes + 1, n // probes + 1) for n in range(first, upto)), tenant=tenant
            )
        return ids

    async def drain(self, *hosted: HostedProjection) -> None:
        """Step until there is nothing to do."""
        for one in hosted or (self.lines, self.sums):
            await one.look()
            while await one.step():
                pass

    async def rows(self, sql: str, *values: object) -> list[tuple[object, ...]]:
        """Ask the file itself, through a connection of its own."""
        db = apsw.Connection(str(self.path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            return db.execute(sql, values).fetchall()  # type: ignore[arg-type]
        finally:
            db.close()

    async def live(self, hosted: HostedProjection) -> int:
        """Return the number of the live generation."""
        rows = await self.rows(
            "select max(generation) from armature_generations where state = 'live' and projection = ?", hosted.model.name
        )
        return rows[0][0]  # type: ignore[return-value]

    async def dump(self, hosted: HostedProjection, generation: int | None = None) -> str:
        """Return a hash over all rows of a generation, ordered by all their columns."""
        number = generation or await self.live(hosted)
        digest = hashlib.sha256()
        for table in hosted.model.tables:
            rows = await self.rows(f"select * from {table}__{number}")
            for row in sorted(rows, key=repr):
                digest.update(repr(row).encode())
        return digest.hexdigest()

    async def state(self, request: int) -> tuple[str, str]:
        """Return how a wish stands."""
        found = await self.requests.get(request)
        assert found is not None
        return found.state, found.detail

    def _row(self, of: Event, tenant: str) -> EventRow:
        kind = of.__event__  # type: ignore[attr-defined]
        stream = f"probe/{of.probe_id}"  # type: ignore[attr-defined]
        where = (tenant, stream, of.version, msgspec.json.encode(of))  # type: ignore[attr-defined]
        return EventRow(uuid4(), kind.name, 1, *where, "c", "c", None, "tester", zlib.crc32(stream.encode()) & 0xFF, self.clock())
