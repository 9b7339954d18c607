"""The database port on PostgreSQL.

Reads and commits have connections of their own, so that neither waits for the other. Every statement of a module runs under
the module's role and for named tenants only (`grants`, `row_security`); the framework's own statements run on the lane
`armature`. How reads share round trips is decided in `coalesced`, how units share commits in `writer`.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TypeVar

import asyncpg

from armature.adapters.postgres.binding import BindingSession
from armature.adapters.postgres.connection import connect
from armature.adapters.postgres.fitness import refuse_unfit
from armature.adapters.postgres.grants import LaneNames
from armature.adapters.postgres.lanes import Lanes
from armature.adapters.postgres.opening import Opening
from armature.adapters.postgres.plan import Plans, compile_plan
from armature.adapters.postgres.reader import Reader
from armature.adapters.postgres.settings import PostgresSettings
from armature.adapters.postgres.trouble import translate
from armature.adapters.postgres.write_plan import WritePlans
from armature.adapters.postgres.writer import Writer
from armature.engine.migrations import FRAMEWORK
from armature.engine.policies import DatabasePolicy
from armature.kernel.refusals import Unavailable
from armature.kernel.statement import Statement
from armature.ports.database import Bound, Decide, Owner, Row, Unit, Verdict

__all__ = ["PostgresDatabase"]

T = TypeVar("T")


class PostgresDatabase:
    """A `Database` on a PostgreSQL server. `turn_seconds` is how long one turn may hold its rows."""

    takes_kept = False

    def __init__(self, settings: PostgresSettings, *, policy: DatabasePolicy, turn_seconds: float) -> None:
        self._settings = settings
        self._policy = policy
        self._turn_seconds = turn_seconds
        self._plans = Plans()
        self._binding = BindingSession(settings.url)
        self._names = LaneNames("", ())
        self._write_plans = WritePlans(policy.slow_statement_seconds)
        self._reader: Reader | None = None
        self._writer: Writer | None = None
        self._writes: Lanes | None = None
        self._state = "not open yet"

    async def open(self) -> None:
        """Connect, and check that the server keeps what is promised and that the walls stand; refuse with words otherwise."""
        if self._state != "not open yet":
            raise Unavailable(what=f"database: it is {self._state}; make a new one to open it again")
        settings = self._settings
        reads = Lanes(settings, settings.read_size)
        try:
            async with reads.taken(None) as connection:
                self._names = LaneNames(await connection.fetchval("select current_database()"), settings.modules)
                await refuse_unfit(connection, settings)
        except BaseException:
            await reads.close()
            raise
        self._reader = Reader(reads, self._plans)
        self._writes = Lanes(settings, settings.write_size)
        self._writer = Writer(
            self._writes,
            self._plans,
            self._write_plans,
            opening=Opening(self._names.roles if settings.roles else None, row_security=settings.row_security),
            policy=self._policy,
            turn_seconds=self._turn_seconds,
        )
        self.read = self._reader.read  # type: ignore[method-assign, assignment]  # a call less on the way of every read
        self._state = "open"

    async def close(self) -> None:
        """Give every unit in hand its verdict, then let go of all connections. A second close does nothing."""
        if self._reader is None or self._state != "open":
            return
        self._state = "closed"
        self._binding.close()
        if self._writer is not None and self._writes is not None:
            await self._writer.close()
            await self._writes.close()
        await self._reader.close()

    def bind(self, statements: Iterable[Statement]) -> None:
        """Compile statements; their tables must exist by now. Waits for the server: a round trip or two per statement."""
        self._opened(self._reader)
        new = [statement for statement in dict.fromkeys(statements) if statement not in self._plans]
        if not new:
            return
        try:
            with self._binding.taken() as session:
                for statement in new:
                    role, secured = self._walls(statement)
                    plan = compile_plan(session, statement, secured=secured)
                    plan.role = role
                    self._write_plans.add(plan, session.prepared)
                    self._plans[statement] = plan
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise translate(error) from error

    async def read(self, asks: Sequence[Bound]) -> list[list[object]]:
        """Return the rows of each select, all as of one state."""
        return await self._opened(self._reader).read(asks)

    async def commit(self, unit: Unit) -> Verdict:
        """Commit one unit, together with whoever else waits."""
        return await self._opened(self._writer).commit(unit)

    async def turn(self, rows: Sequence[Row], decide: Decide, owner: Owner) -> Verdict:
        """Let `decide` run while nobody else writes the rows, then commit what it returns."""
        return await self._opened(self._writer).turn(rows, decide, owner)

    async def script(self, text: str) -> None:
        """Run statements that are no units in one transaction, as the owner of the tables."""
        self._opened(self._reader)
        connection = await connect(self._settings, self._settings.owner_url)
        try:
            await connection.execute(f"begin; {text}\n; commit")
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raised = translate(error)
            if isinstance(raised, Unavailable):
                raise raised from error
            raise ValueError(f"the script was refused and nothing of it is done: {error}") from error
        finally:
            with suppress(Exception):
                await connection.close(timeout=1)

    @property
    def commits(self) -> int:
        """Units committed since the start."""
        return self._writer.commits if self._writer else 0

    @property
    def batches(self) -> int:
        """Transactions that carried units since the start."""
        return self._writer.batches if self._writer else 0

    @property
    def batch_sizes(self) -> dict[int, int]:
        """Batches by their number of units, rounded up to a power of two."""
        return dict(self._writer.batch_sizes) if self._writer else {}

    def _walls(self, statement: Statement) -> tuple[str | None, bool]:
        """Return the role under which a statement runs, and whether policies ask it for a tenant."""
        modules = {self._names.module_of(table) for table in statement.reads | statement.writes}
        module = next(iter(modules)) if len(modules) == 1 else FRAMEWORK
        role = self._names.roles.get(module or FRAMEWORK) if self._settings.roles else None
        return role, self._settings.row_security and module != FRAMEWORK

    def _opened(self, part: T | None) -> T:
        if part is None or self._state != "open":
            raise Unavailable(what=f"database: {self._state}")
        return part
