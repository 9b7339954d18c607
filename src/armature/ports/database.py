"""The seam to a database: reads of one state, and commits of whole units of work.

Laws (armature.conformance.database proves them):
 1. A unit is applied whole or not at all; one unit's refusal changes nothing for its neighbours in a batch.
 2. `Committed` is answered only after the change is durable (class D3 unless the policy says otherwise).
 3. A change that touches another number of rows than it declares, or a guard that finds none, answers `Conflict` and
    names the statement; the unit has then done nothing.
 4. A unique index answers `Violated` with the index's name.
 5. A key that exists already, and has not expired, answers `Twin`, whatever else the unit holds.
 6. Events get ids that grow in the order of the units' commits and of their publication; ids never come back. Where commits run
    side by side, the ids of two that overlap say nothing of their order; the position, given afterwards, does (laws 8).
 7. All asks of one `read` see one state; a read after a verdict sees the unit's effect.
 8. A unit whose owner has left, or whose deadline has passed, when its batch is formed answers `Expired`, without effect.
    From then on it is carried through, whatever becomes of the caller. A turn's unit is formed when it has decided.
 9. While a `turn` runs nobody else writes the rows it names; its reads see every unit committed before it.
10. What cannot be served raises `Unavailable`, with nothing half done; what may have happened raises `UnknownOutcome`.
11. Where `takes_kept` says so, an id bound as 16 bytes and a moment bound as microseconds are read as what they stand for.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from msgspec import Struct

from armature.kernel.statement import Statement

__all__ = [
    "Bound",
    "Committed",
    "Conflict",
    "Database",
    "Decide",
    "EventRow",
    "Expired",
    "KeyRow",
    "Owner",
    "Read",
    "Row",
    "Twin",
    "Unit",
    "Verdict",
    "Violated",
]

Bound = tuple[Statement, tuple[Any, ...]]
"""A statement with its values in the order of `statement.params`, as Python values (UUID, datetime, Struct …)."""

Row = tuple[str, tuple[Any, ...]]
"""A row's name: table and the values of the statement's `row` parameters (tenant first where it is one of them)."""


class EventRow(Struct, frozen=True, gc=False):
    """An event as it goes into the outbox; the id is given by the commit."""

    event_id: UUID
    type: str
    schema: int
    tenant_id: str
    stream: str
    stream_version: int | None
    payload: bytes
    correlation_id: str
    causation_id: str
    trace: str | None
    actor: str
    partition: int
    occurred_at: datetime
    subject: str | None = None


class KeyRow(Struct, frozen=True, gc=False):
    """The answer stored for an idempotency key: one row per (tenant, scope)."""

    tenant_id: str
    scope: bytes
    """Hash over tenant, actor, operation, edge and key (laws 7)."""
    fingerprint: bytes
    outcome: bytes
    """Canonical JSON of the result, or of a final refusal."""
    refused: bool
    asked_at: datetime
    """An answer that had expired by then is no answer any more: the row is taken over."""
    expires_at: datetime


class Owner(Protocol):
    """Who waits for a unit's verdict. Looked at once, when the batch is formed."""

    deadline: float
    in_hand: bool
    """Set by the database when it takes the unit or turn into a batch: until then its caller may leave and nothing is done,
    from then on the verdict is waited for."""

    @property
    def gone(self) -> bool:
        """True when nobody waits any more."""
        ...


class Unit(Struct):
    """What one operation wants to leave behind, all of it or nothing."""

    lane: str
    """The module whose tables are written; an adapter may give each lane a role of its own."""
    owner: Owner
    writes: Sequence[Bound] = ()
    guards: Sequence[Bound] = ()
    events: Sequence[EventRow] = ()
    key: KeyRow | None = None
    rows_max: int | None = None
    """How many rows its changes without a declared number may touch together; more raises `UnitTooLarge` (laws 4)."""


class Committed(Struct, frozen=True, gc=False):
    """Durable. `last_id` is the outbox id of the unit's last event, None without events."""

    last_id: int | None


class Conflict(Struct, frozen=True):
    """A row was not as it was read."""

    statement: Statement
    row: Row | None


class Violated(Struct, frozen=True):
    """A unique index refused the unit."""

    constraint: str
    statement: Statement | None


class Twin(Struct, frozen=True):
    """Another unit with this key was committed first."""


class Expired(Struct, frozen=True):
    """Nobody waited any more when the batch was formed; certainly without effect."""


Verdict = Committed | Conflict | Violated | Twin | Expired

Read = Callable[[Sequence[Bound]], Awaitable[list[list[Any]]]]
"""Reads several selects as of one state; rows come as the statements' shapes."""

Decide = Callable[[Read], Awaitable[Unit]]
"""Runs a command again on the reads it is given and returns what it wants to leave behind."""


class Database(Protocol):
    """One database with one log. Statements are bound once at start; a call looks nothing up."""

    takes_kept: bool
    """True where an id may also be bound as its 16 bytes, and a moment as whole microseconds since 1970 (UTC)."""

    async def open(self) -> None:
        """Connect and check that the promised durability is in force; refuse with words otherwise."""
        ...

    async def close(self) -> None:
        """Give every unit in hand its verdict, then let go of everything."""
        ...

    def bind(self, statements: Iterable[Statement]) -> None:
        """Compile statements; refuse one the engine cannot prepare, naming file and line.

        May be called again later (a new generation of a projection brings its own statements, `Statement.renamed`).
        """
        ...

    async def read(self, asks: Sequence[Bound]) -> list[list[Any]]:
        """Return the rows of each select, all as of one state."""
        ...

    async def commit(self, unit: Unit) -> Verdict:
        """Commit one unit, together with whoever else waits; return its verdict."""
        ...

    async def turn(self, rows: Sequence[Row], decide: Decide, owner: Owner) -> Verdict:
        """Let `decide` run while nobody else writes `rows`, then commit what it returns. Bounded by the turn's limit."""
        ...

    async def script(self, text: str) -> None:
        """Run statements that are no units (DDL of generations, maintenance) in one transaction."""
        ...
