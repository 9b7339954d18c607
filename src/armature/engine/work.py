"""The unit of work: reads go out at once, everything else is planned and handed over as one unit at the end.

Also where a module's mistakes are told apart from conflicts: reading after planning, planning one row twice, naming a
parameter that does not exist. They are bugs, found at the call, with both call sites named in development (laws 3).
"""

import sys
import zlib
from collections.abc import Mapping
from types import CodeType
from typing import Any, Protocol, TypeVar
from uuid import UUID

import msgspec
from msgspec import Struct

from armature.engine.binding import bind
from armature.engine.call import Call
from armature.engine.policies import CommandPolicy
from armature.kernel.event import Event, event_type
from armature.kernel.failure import Failure
from armature.kernel.statement import Ask, Change, Select, Statement
from armature.kernel.work import PlannedTwice, ReadAfterPlan, UnitTooLarge, WorkMisuse
from armature.ports.database import Bound, EventRow, KeyRow, Read, Row, Unit

__all__ = ["ENDED", "Generation", "ModelReads", "UnitOfWork", "Workshop"]

R = TypeVar("R")

_encode = msgspec.json.Encoder().encode
_text = msgspec.to_builtins


class Generation(Protocol):
    """One built state of a projection."""

    def statement(self, statement: Statement) -> Statement:
        """Return the statement on this generation's tables."""
        ...


class ModelReads(Protocol):
    """What the unit of work asks of the read models."""

    def model_of(self, statement: Statement) -> str | None:
        """Return the projection whose tables the statement reads, or None."""
        ...

    async def ready(self, projection: str, after_id: int | None, deadline: float) -> Generation:
        """Return the generation to read, having waited for the position the reader asked for."""
        ...


class Workshop(Struct, frozen=True):
    """What all units of one module share; made once at start."""

    lane: str
    read: Read
    models: ModelReads
    limits: CommandPolicy
    model_statements: frozenset[Statement] = frozenset()
    platform_statements: frozenset[Statement] = frozenset()
    """Statements on `global` tables: only operations declared scope="platform" may run them."""
    trace_calls: bool = False
    """Development: keep call sites, and report what was read but neither written nor guarded."""


_NO_LIST: list[Any] = []
_NO_DICT: dict[Any, Any] = {}


class UnitOfWork:
    """Work (armature.Work) for one run of one operation."""

    __slots__ = (
        "_call",
        "_generations",
        "_planned_rows",
        "_planned_tables",
        "_read",
        "_scope",
        "_seen",
        "_shop",
        "cas",
        "events",
        "guards",
        "may_plan",
        "rows",
        "writes",
    )

    def __init__(self, shop: Workshop, call: Call, *, may_plan: bool, scope: str = "tenant", read: Read | None = None) -> None:
        self._shop = shop
        self._call = call
        self._read = read or shop.read
        self._scope = scope
        self.may_plan = may_plan
        # Who may plan nothing needs no room for plans.
        self.writes: list[Bound] = [] if may_plan else _NO_LIST
        self.guards: list[Bound] = [] if may_plan else _NO_LIST
        self.events: list[EventRow] = [] if may_plan else _NO_LIST
        self.rows: list[Row] = [] if may_plan else _NO_LIST
        """The rows planned with a version, in order; the first one is what If-Match speaks of."""
        self.cas: Any = None
        self._planned_tables: dict[str, Site] = {} if may_plan else _NO_DICT
        self._planned_rows: dict[Row, Site] = {} if may_plan else _NO_DICT
        self._generations: dict[str, Generation] | None = None
        self._seen: set[str] | None = set() if shop.trace_calls and may_plan else None

    async def one(self, statement: Select[R], *, refuse: type[Failure] | None = None, **params: Any) -> R:
        values = self._ask(statement, params, False)
        if statement in self._shop.model_statements:
            rows = (await self._read(((await self._on_generation(statement), values),)))[0]
        else:
            rows = (await self._read(((statement, values),)))[0]
        if len(rows) == 1:
            return rows[0]  # type: ignore[no-any-return]
        if rows:
            raise WorkMisuse(f"{statement.home}: work.one found {len(rows)} rows; ask with work.all, or add a key")
        if refuse is None:
            raise WorkMisuse(f"{statement.home}: work.one found no row and was given no refuse=…")
        raise refuse(**{name: params[name] for name in refuse.fields if name in params})

    async def maybe(self, statement: Select[R], **params: Any) -> R | None:
        rows = await self._rows(statement, params)
        if len(rows) > 1:
            raise WorkMisuse(f"{statement.home}: work.maybe found {len(rows)} rows; ask with work.all, or add a key")
        return rows[0] if rows else None

    async def all(self, statement: Select[R], **params: Any) -> list[R]:
        return await self._rows(statement, params)

    async def read(self, *asks: Ask[Any], stale_ok: bool = False) -> tuple[list[Any], ...]:
        bound: list[Bound] = []
        for ask in asks:
            statement: Statement = ask.statement
            values = self._ask(statement, ask.params, stale_ok)
            if statement in self._shop.model_statements:
                statement = await self._on_generation(statement)
            bound.append((statement, values))
        return tuple(await self._read(bound))

    async def _rows(self, statement: Select[R], params: Mapping[str, Any]) -> list[R]:
        values = self._ask(statement, params, False)
        if statement in self._shop.model_statements:
            return (await self._read(((await self._on_generation(statement), values),)))[0]
        return (await self._read(((statement, values),)))[0]

    def plan(self, statement: Change, source: Struct | None = None, /, **params: Any) -> None:
        self._must_plan("plan")
        values = bind(statement, source, params, self._call.tenant)
        self._check_scope(statement)
        site = _site() if self._shop.trace_calls else None
        if statement.table not in self._planned_tables:
            self._planned_tables[statement.table] = site or statement.home
        if statement.cas is not None:
            key = [values[at] for at in statement.row_at]
            row: Row = (statement.table, (self._call.tenant, *key) if statement.of_tenant else tuple(key))
            earlier = self._planned_rows.get(row)
            if earlier is not None:
                raise PlannedTwice(
                    f"row {row[1][1:]} of {row[0]} is planned twice with a version, at {_place(earlier)} and at "
                    f"{_place(site or statement.home)}; decide on values in memory and plan the row once"
                )
            if not self.rows:
                self.cas = values[statement.cas_at]
            self._planned_rows[row] = site or statement.home
            self.rows.append(row)
        self.writes.append((statement, values))

    def guard(self, statement: Select[Any], **params: Any) -> None:
        self._must_plan("guard")
        self._check_scope(statement)
        self.guards.append((statement, bind(statement, None, params, self._call.tenant)))

    def publish(self, *events: Event) -> None:
        self._must_plan("publish")
        call = self._call
        tenant = call.tenant
        for event in events:
            declared = event_type(event)
            key = getattr(event, declared.stream)
            # The same text as str() gives, at a tenth of its price.
            stream = f"{declared.domain}/{_text(key) if key.__class__ is UUID else key}"
            self.events.append(
                EventRow(
                    call.new_id(),
                    declared.name,
                    declared.schema,
                    tenant,
                    stream,
                    getattr(event, declared.version) if declared.version else None,
                    _encode(event),
                    call.correlation_id,
                    call.causation_id,
                    call.trace,
                    call.identity.actor,
                    zlib.crc32(f"{tenant}/{stream}".encode()) & 0xFF,
                    call.now,
                )
            )

    @property
    def empty(self) -> bool:
        """True when nothing was planned."""
        return not (self.writes or self.guards or self.events)

    def unit(self, key: KeyRow | None) -> Unit:
        """Return what was planned, as one unit to commit."""
        limits = self._shop.limits
        if len(self.writes) + len(self.guards) > limits.unit_statements_max:
            raise UnitTooLarge(f"the unit has {len(self.writes)} statements; at most {limits.unit_statements_max}: {_CURE}")
        size = _size(self.writes, self.events)
        if size > limits.unit_bytes_max:
            raise UnitTooLarge(f"the unit has {size} bytes; at most {limits.unit_bytes_max}: {_CURE}")
        return Unit(self._shop.lane, self._call, self.writes, self.guards, self.events, key, limits.unit_rows_max)

    def unguarded(self) -> frozenset[str]:
        """Return the tables that were read and neither written nor guarded: the decision rests on advice (laws 1)."""
        if not self._seen or not self.writes or self._seen <= self._planned_tables.keys():
            return frozenset()
        guarded = {table for statement, _ in self.guards for table in statement.reads}
        return frozenset(self._seen - guarded - self._planned_tables.keys())

    def _ask(self, statement: Statement, params: Mapping[str, Any], stale_ok: bool) -> tuple[Any, ...]:
        if self._planned_tables and not stale_ok:
            for table in statement.reads:
                if table in self._planned_tables:
                    raise ReadAfterPlan(
                        f"{table} is read by {statement.home} after a write to it was planned at "
                        f"{_place(self._planned_tables[table])}; the read would not see it: decide in memory and plan once"
                    )
        if self._seen is not None:
            self._seen |= statement.reads
        self._check_scope(statement)
        return bind(statement, None, params, self._call.tenant)

    async def _on_generation(self, statement: Statement) -> Statement:
        model = self._shop.models.model_of(statement) or ""
        if self._generations is None:
            self._generations = {}
        generation = self._generations.get(model)
        if generation is None:
            # Resolved once, so that no query mixes two generations (I14).
            call = self._call
            after = call.after_id if isinstance(call.after_id, int) else None
            generation = self._generations[model] = await self._shop.models.ready(model, after, call.deadline)
        return generation.statement(statement)

    def _check_scope(self, statement: Statement) -> None:
        shop = self._shop
        if shop.platform_statements and statement in shop.platform_statements and self._scope != "platform":
            raise WorkMisuse(f"{statement.home}: the table is global; declare the operation with scope='platform'")

    def _must_plan(self, verb: str) -> None:
        if not self.may_plan:
            raise WorkMisuse(f"a query may only read; work.{verb} belongs into a command ({self._call.operation})")


class _Ended:
    """Stands in a call that has ended for its work, which refers to the call: the two would wait for the garbage collector."""

    def __getattr__(self, name: str) -> Any:
        raise WorkMisuse(f"ctx.work.{name} was asked after the call had ended; nothing goes on behind the answer: enqueue a job")


ENDED: Any = _Ended()

_CURE = "split the work into a job that runs in chunks"


def _size(writes: list[Bound], events: list[EventRow]) -> int:
    size = 0
    for event in events:
        size += len(event.payload)
    for _, values in writes:
        for value in values:
            if value.__class__ is str or value.__class__ is bytes:
                size += len(value)
    return size


Site = str | tuple[CodeType, int]
"""Where something was planned; put into words only when somebody must read it."""


def _site() -> Site:
    """Return where the module called the work: the code and the instruction, because finding the line takes longer."""
    frame = sys._getframe(2)
    return frame.f_code, frame.f_lasti


def _place(site: Site) -> str:
    if isinstance(site, str):
        return site
    code, instruction = site
    lines = [position[0] for position in code.co_positions()]
    return f"{code.co_filename}:{lines[instruction // 2] or code.co_firstlineno}"
