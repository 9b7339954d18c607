"""A command that decides again while nobody else writes its rows.

Whoever wants the same rows queues here, in this process, and holds no connection while it waits. The first takes a
connection and locks the rows; those behind it follow in the same transaction, each reading what the one before it wrote, and
all are answered after the one commit: that is what keeps a hot row fast when a commit costs a sync of the disk. One that
fails is undone to its savepoint. Every turn is bounded, and so is the time that a chain of them holds the rows.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from contextvars import Context, copy_context
from time import monotonic
from typing import Any

import asyncpg
from msgspec import Struct, field

from armature.adapters.postgres.batch import write_alone
from armature.adapters.postgres.carrier import judged
from armature.adapters.postgres.connection import LaneConnection
from armature.adapters.postgres.entry import Entry, Shapes
from armature.adapters.postgres.lanes import Lanes
from armature.adapters.postgres.opening import Opening
from armature.adapters.postgres.plan import Plans
from armature.adapters.postgres.trouble import is_lost, translate
from armature.adapters.postgres.uncertain import Committer, LostBeforeCommit, OutcomeUnknown, Written
from armature.adapters.postgres.write_plan import WritePlans
from armature.engine.crash import crashpoint
from armature.kernel.refusals import Unavailable, UnknownOutcome
from armature.ports.database import Bound, Committed, Decide, Expired, Owner, Row, Unit, Verdict

__all__ = ["Tools", "Turns"]

_CHAIN_MAX = 32
"""Turns that share a transaction; each adds a savepoint, and PostgreSQL keeps 64 of them cheaply."""


class Tools(Struct, frozen=True):
    """What turns work with."""

    lanes: Lanes
    plans: Plans
    writes: WritePlans
    shapes: Shapes
    committer: Committer
    opening: Opening


class _Turn(Struct, eq=False):
    done: "asyncio.Future[Verdict]"
    owner: Owner
    decide: Decide
    entry: Entry | None = None
    context: Context = field(default_factory=copy_context)
    """The caller's: what it logs and traces while it decides is its own."""

    def settle(self, outcome: Verdict | BaseException) -> None:
        if self.done.done():
            return
        if isinstance(outcome, BaseException):
            self.done.set_exception(outcome)
        else:
            self.done.set_result(outcome)


class Turns:
    """Queues of turns by the rows they name."""

    def __init__(self, tools: Tools, turn_seconds: float, count: Callable[[Sequence[Entry]], None]) -> None:
        self._tools = tools
        self._seconds = turn_seconds
        self._count = count
        # Commits keep the other half of the connections, whatever is hot.
        self._seats = asyncio.Semaphore(max(1, tools.lanes.size // 2))
        self._waiting: dict[tuple[Row, ...], deque[_Turn]] = {}
        self._gates: dict[Row, tuple[asyncio.Lock, list[None]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def queue(self, rows: Sequence[Row], decide: Decide, owner: Owner) -> "asyncio.Future[Verdict]":
        """Let it wait behind those who named the same rows."""
        loop = asyncio.get_running_loop()
        turn = _Turn(loop.create_future(), owner, decide)
        key = tuple(sorted(set(rows), key=repr))
        waiting = self._waiting.get(key)
        if waiting is not None and key:
            waiting.append(turn)
            return turn.done
        waiting = deque((turn,))
        if key:
            self._waiting[key] = waiting
        task = loop.create_task(self._drive(key, waiting), name="armature-turn")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return turn.done

    async def close(self) -> None:
        """Give everybody in hand a verdict."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _drive(self, key: tuple[Row, ...], waiting: deque[_Turn]) -> None:
        while waiting:
            async with self._gated(key), self._seats:
                await self._link(key, waiting)
        # Nothing is awaited between the last look and this line, so nobody is left behind.
        if self._waiting.get(key) is waiting:
            del self._waiting[key]

    @asynccontextmanager
    async def _gated(self, key: tuple[Row, ...]) -> AsyncIterator[None]:
        """Pass when no other turn of this process has one of the rows. In key order, so that nobody waits in a circle."""
        async with AsyncExitStack() as stack:
            for row in key:
                gate, users = self._gates.setdefault(row, (asyncio.Lock(), []))
                users.append(None)
                stack.callback(self._left, row)
                await stack.enter_async_context(gate)
            yield

    def _left(self, row: Row) -> None:
        users = self._gates[row][1]
        users.pop()
        if not users:
            del self._gates[row]

    async def _link(self, key: tuple[Row, ...], waiting: deque[_Turn]) -> None:
        """Let several turns share one transaction."""
        link = _Link(self._tools, key, waiting, self._seconds)
        try:
            async with self._tools.lanes.taken(None) as connection:
                await link.run(connection)
        except Exception as error:
            link.fail(error)
        entries = [turn.entry for turn in link.done if turn.entry is not None]
        if any(isinstance(entry.outcome, Committed) for entry in entries):
            self._count(entries)
        for turn in link.done:
            if turn.entry is not None and turn.entry.outcome is not None:
                turn.settle(turn.entry.outcome)
        crashpoint("commit.answered")


class _Link:
    """One transaction of turns."""

    def __init__(self, tools: Tools, key: tuple[Row, ...], waiting: deque[_Turn], seconds: float) -> None:
        self._tools = tools
        self._key = key
        self._rows = set(key)
        self._waiting = waiting
        self._seconds = seconds
        self._written: Written | None = None
        self.done: list[_Turn] = []

    async def run(self, connection: LaneConnection) -> None:
        """Lock the rows, let turn after turn decide and write, commit."""
        tools = self._tools
        await tools.committer.know(connection)
        if self._next_is_none():
            return
        crashpoint("commit.formed")
        session = _Session(connection, tools)
        try:
            # A server that stands still obeys no limit of its own.
            async with asyncio.timeout(tools.lanes.settings.silence_seconds):
                await connection.execute(f"begin; set local lock_timeout = {max(1, round(self._seconds * 1000))}")
                await self._lock(session)
                crashpoint("commit.begun")
                await self._turns(session)
                crashpoint("commit.written")
        except Exception as error:
            if not is_lost(error):
                with suppress(Exception):
                    await connection.execute("rollback")
            raise
        if self._written is None:
            await connection.execute("rollback")
            return
        await tools.committer.commit(connection, self._written)
        crashpoint("commit.committed")

    def fail(self, error: Exception) -> None:
        """Tell everybody in hand what it means that the transaction failed; and those behind, who would only wait again.

        Not when somebody else held the rows for too long, on another node as a rule: whoever has time left waits again.
        """
        for turn in self.done:
            entry = turn.entry
            if entry is None:
                turn.settle(_meant(error))
            elif isinstance(entry.outcome, Committed):
                entry.outcome = UnknownOutcome() if isinstance(error, OutcomeUnknown) else judged(entry, error)
        if not self.done and not isinstance(error, asyncpg.LockNotAvailableError):
            while self._waiting:
                self._waiting.popleft().settle(_meant(error))

    def _next_is_none(self) -> bool:
        """Send away who left or came too late; say whether nobody is left."""
        now = monotonic()
        while self._waiting:
            turn = self._waiting[0]
            if not turn.done.done():
                if not turn.owner.gone and turn.owner.deadline > now:
                    return False
                turn.settle(Expired())
            self._waiting.popleft()
        return True

    async def _lock(self, session: "_Session") -> None:
        for table, values in self._key:
            plan = self._tools.writes.row_locks.get(table)
            if plan is None or len(plan.row_at) != len(values):
                continue  # a table of which no change names its row: the versions still decide
            tenant = values[0] if plan.tenant_at is not None else None
            await session.enter(self._tools.plans[plan.statement].role, tenant)
            await session.connection.fetch(plan.select_row, *plan.encode_row(values))

    async def _turns(self, session: "_Session") -> None:
        started = monotonic()
        while len(self.done) < _CHAIN_MAX and not self._next_is_none():
            if self.done and monotonic() - started > self._seconds / 2:
                return
            turn = self._waiting.popleft()
            turn.owner.in_hand = True
            self.done.append(turn)
            saved = self._written is not None
            if saved:
                await session.connection.execute("savepoint turn")
            if not await self._one(session, turn):
                if not saved:
                    return  # nothing of anybody's is in this transaction: it ends here, the next begins another
                await session.connection.execute("rollback to turn")
                session.forget()

    async def _one(self, session: "_Session", turn: _Turn) -> bool:
        """Let a turn decide and write; False when what it did must be undone."""
        wanted = await _decided(session, turn, self._seconds)
        crashpoint("turn.decided")
        if not isinstance(wanted, Unit):
            turn.settle(wanted)
            return not session.broken
        try:
            entry = turn.entry = Entry(turn.done, turn.owner, wanted, self._tools.shapes.of(wanted))
            await session.enter(self._tools.opening.role(wanted.lane), *entry.tenants)
            written = await write_alone(session.connection, entry, locked=self._has_all_rows(entry))
        except Exception as error:
            if is_lost(error):
                turn.entry = None
                raise
            if turn.entry is None:
                turn.settle(error)
            else:
                turn.entry.outcome = judged(turn.entry, error)
            return False
        if not isinstance(entry.outcome, Committed):
            return False
        proof = written.proof or (self._written.proof if self._written else None)
        transaction = written.transaction or (self._written.transaction if self._written else None)
        self._written = Written(transaction, proof)
        return True

    def _has_all_rows(self, entry: Entry) -> bool:
        return not entry.guards and all(
            plan.lock is None or plan.row(values) in self._rows
            for plan, (_, values) in zip(entry.shape.changes, entry.unit.writes, strict=True)
        )


class _Session:
    """The connection of a link, with the role and the tenants that its transaction has just now."""

    def __init__(self, connection: LaneConnection, tools: Tools) -> None:
        self.connection = connection
        self._tools = tools
        self._role: str | None = None
        self._tenants: set[str] = set()
        self._entered: tuple[str | None, frozenset[str]] = (None, frozenset())
        self._one = asyncio.Lock()
        self.broken = False
        """A statement failed: the transaction takes no more until it is undone."""

    async def enter(self, role: str | None, *tenants: str | None) -> None:
        """Speak as a role, for one tenant more; a round trip only where that is new."""
        if self._tools.opening.row_security:
            self._tenants.update(tenant for tenant in tenants if tenant is not None)
        wanted = (role, frozenset(self._tenants))
        if wanted != self._entered:
            await self.connection.execute(self._tools.opening.enter(*wanted))
            self._entered = wanted

    def forget(self) -> None:
        """An undone savepoint took role and tenants with it."""
        self.broken = False
        self._entered = (None, frozenset())

    async def read(self, asks: Sequence[Bound]) -> list[list[Any]]:
        """Read in the transaction: all that was committed, and what the turns before this one wrote."""
        async with self._one:
            home = ""
            try:
                found = []
                for statement, values in asks:
                    home = statement.home
                    plan = self._tools.plans[statement]
                    await self.enter(plan.role, values[plan.tenant_at] if plan.tenant_at is not None else None)
                    found.append(await plan.fetch(self.connection, values))
                return found
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
                self.broken = True
                raise translate(error, home) from error
            except asyncio.CancelledError:
                self.broken = True
                raise


async def _decided(session: _Session, turn: _Turn, seconds: float) -> Unit | BaseException:
    """Return the unit a turn wants to leave behind, or what to raise at its caller."""
    over = False

    async def read(asks: Sequence[Bound]) -> list[list[Any]]:
        if over:
            raise Unavailable(what="database: the turn is over")
        return await session.read(asks)

    async def decided() -> Unit:
        return await turn.decide(read)

    task = asyncio.get_running_loop().create_task(decided(), context=turn.context)
    await asyncio.wait((task, turn.done), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    late = not task.done()
    over = True
    if late:
        task.cancel()
        await asyncio.wait((task,), timeout=seconds)
    if not task.done() or task.cancelled():
        error: BaseException | None = None
    else:
        error = task.exception()
    if turn.done.done():
        # Its caller was told meanwhile that nothing happened (a deadline); so nothing must.
        return Unavailable(what="database: nobody waits for this turn any more")
    if late or task.cancelled():
        return Unavailable(what=f"database: the command held its rows for longer than {seconds} s")
    if error is None and not isinstance(task.result(), Unit):
        return TypeError(f"a turn decides on a Unit, not on {task.result()!r}")
    return error or task.result()


def _meant(error: Exception) -> Exception:
    if isinstance(error, LostBeforeCommit):
        return Unavailable(what="database: the connection was lost before anything was committed")
    meant = translate(error)
    return Unavailable(**meant.values()) if isinstance(meant, Unavailable) else meant
