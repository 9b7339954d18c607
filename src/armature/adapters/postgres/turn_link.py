"""Turns that share a transaction: each decides and writes, and one commit answers them all.

A chain hopes that nothing in it must be undone. Where something must, all of it is, and all decide again in a wary chain, in
which each turn has a savepoint of its own and harms nobody.
"""

import asyncio
from collections import deque
from contextlib import suppress
from time import monotonic

import asyncpg
from msgspec import Struct

from armature.adapters.postgres.carrier import judged
from armature.adapters.postgres.connection import LaneConnection
from armature.adapters.postgres.entry import Entry, Shapes
from armature.adapters.postgres.lanes import Lanes
from armature.adapters.postgres.opening import Opening
from armature.adapters.postgres.plan import Plans
from armature.adapters.postgres.trouble import is_lost, translate
from armature.adapters.postgres.turn_session import Turn, TurnSession, decided_in
from armature.adapters.postgres.turn_write import write_turn
from armature.adapters.postgres.uncertain import Committer, LostBeforeCommit, OutcomeUnknown, Written
from armature.adapters.postgres.write_plan import WritePlans
from armature.engine.crash import crashpoint
from armature.kernel.refusals import Unavailable, UnknownOutcome
from armature.ports.database import Committed, Expired, Row, Unit

__all__ = ["Link", "Spoiled", "Tools"]

_CHAIN_MAX = 32
"""Turns that share a transaction; in a wary one each adds a savepoint, and PostgreSQL keeps 64 of them cheaply."""


class Tools(Struct, frozen=True):
    """What turns work with."""

    lanes: Lanes
    plans: Plans
    writes: WritePlans
    shapes: Shapes
    committer: Committer
    opening: Opening


class Spoiled(Exception):
    """What a turn did must be undone, and what turns before it did is in the same transaction."""


class Link:
    """One transaction of turns. A `wary` one can undo a turn by itself, for the price of a round trip each."""

    def __init__(self, tools: Tools, queue: tuple[tuple[Row, ...], deque[Turn]], seconds: float, *, wary: bool) -> None:
        self._tools = tools
        self._key, self._waiting = queue
        self._rows = set(self._key)
        self._seconds = seconds
        self._wary = wary
        self._written: Written | None = None
        self.done: list[Turn] = []

    async def run(self, connection: LaneConnection) -> None:
        """Lock the rows, let turn after turn decide and write, commit."""
        tools = self._tools
        await tools.committer.know(connection)
        if self._next_is_none():
            return
        crashpoint("commit.formed")
        session = TurnSession(connection, tools.plans, tools.opening)
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

    def give_back(self) -> None:
        """Let all of them decide again, in their order: nothing of what they decided and were refused for has ever been."""
        for turn in reversed(self.done):
            turn.entry = turn.refusal = None
            turn.owner.in_hand = False
            self._waiting.appendleft(turn)

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

    async def _lock(self, session: TurnSession) -> None:
        for table, values in self._key:
            plan = self._tools.writes.row_locks.get(table)
            if plan is None or len(plan.row_at) != len(values):
                continue  # a table of which no change names its row: the versions still decide
            tenant = values[0] if plan.tenant_at is not None else None
            await session.enter(self._tools.plans[plan.statement].role, tenant)
            await session.connection.fetch(plan.select_row, *plan.encode_row(values))

    async def _turns(self, session: TurnSession) -> None:
        started = monotonic()
        while len(self.done) < _CHAIN_MAX and not self._next_is_none():
            if self.done and monotonic() - started > self._seconds / 2:
                return
            turn = self._waiting.popleft()
            turn.owner.in_hand = True
            self.done.append(turn)
            shared = self._written is not None
            if shared and self._wary:
                await session.connection.execute("savepoint turn")
            if await self._one(session, turn):
                continue
            if not shared:
                return  # nothing of anybody's is in this transaction: it ends here, the next begins another
            if not self._wary:
                raise Spoiled
            await session.connection.execute("rollback to turn")
            session.forget()

    async def _one(self, session: TurnSession, turn: Turn) -> bool:
        """Let a turn decide and write; False when what it did must be undone."""
        session.asked.clear()
        wanted = await decided_in(session, turn, self._seconds)
        crashpoint("turn.decided")
        if not isinstance(wanted, Unit):
            self._refused(turn, wanted)
            return not session.broken
        try:
            entry = Entry(turn.done, turn.owner, wanted, self._tools.shapes.of(wanted))
        except Exception as error:
            self._refused(turn, error)
            return not session.broken
        turn.entry = entry
        try:
            await session.enter(self._tools.opening.role(wanted.lane), *entry.tenants)
            written, fit = await write_turn(session, entry, self._rows)
        except Exception as error:
            if is_lost(error):
                turn.entry = None
                raise
            entry.outcome = judged(entry, error)
            return False
        if isinstance(entry.outcome, Committed):
            before = self._written or Written()
            self._written = Written(written.transaction or before.transaction, written.proof or before.proof)
        return fit

    def _refused(self, turn: Turn, error: BaseException) -> None:
        """Keep what a turn raises for as long as nobody knows whether what it had read will be committed."""
        if self._written is None:
            turn.settle(error)
        else:
            turn.refusal = error


def _meant(error: Exception) -> Exception:
    if isinstance(error, LostBeforeCommit):
        return Unavailable(what="database: the connection was lost before anything was committed")
    if isinstance(error, OutcomeUnknown):  # a refusal writes nothing, so this much is certain
        return Unavailable(what="database: what this was decided on may never have been committed")
    meant = translate(error)
    return Unavailable(**meant.values()) if isinstance(meant, Unavailable) else meant
