"""Takes units through a transaction until each has its own, true outcome.

A batch is all or nothing. When it fails, the reason decides: who lost is judged alone, a lost connection is made up for once,
units that took too long together go out alone beside each other, anything else halves the batch until the unit that caused it
stands alone with its error. Nobody pays for a neighbour.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import monotonic

import asyncpg

from armature.adapters.postgres.at_once import commit_at_once
from armature.adapters.postgres.batch import Losers, write_alone, write_together
from armature.adapters.postgres.connection import LaneConnection
from armature.adapters.postgres.entry import Entry, Outcome
from armature.adapters.postgres.lanes import Lanes
from armature.adapters.postgres.opening import Opening
from armature.adapters.postgres.trouble import is_lost, sqlstate, translate
from armature.adapters.postgres.uncertain import Committer, LostBeforeCommit, OutcomeUnknown
from armature.adapters.postgres.write_plan import SLOW_SECONDS
from armature.engine.crash import crashpoint
from armature.kernel.refusals import Unavailable, UnknownOutcome
from armature.ports.database import Committed, Violated

__all__ = ["Carrier", "judged"]

_TOO_LONG = "57014"
_OUT_OF_ORDER = ("40001", "40P01")


class Carrier:
    """Carries the units of one pool. `count` is told of every transaction that was committed."""

    def __init__(
        self, lanes: Lanes, opening: Opening, committer: Committer, seconds_max: float, count: Callable[[Sequence[Entry]], None]
    ) -> None:
        self._lanes = lanes
        self._opening = opening
        self._committer = committer
        self._seconds_max = seconds_max
        self._count = count

    async def carry(self, connection: LaneConnection, lane: str, entries: Sequence[Entry]) -> None:
        """Carry them in one transaction, on a connection that speaks as the lane. After an exception nothing of it happened, and
        `recover` knows what to do."""
        for entry in entries:
            entry.outcome = entry.failing = None
        await self._committer.know(connection)
        if not await commit_at_once(connection, self._committer, entries):
            await self._long_way(connection, lane, entries)
        self._committer.told(connection, [entry.outcome.last_id for entry in entries if isinstance(entry.outcome, Committed)])
        self._count(entries)

    async def _long_way(self, connection: LaneConnection, lane: str, entries: Sequence[Entry]) -> None:
        """Open, check, write, commit: a round trip for each."""
        try:
            async with asyncio.timeout(self._seconds_max):
                tenants = set[str]().union(*[entry.tenants for entry in entries]) if self._opening.row_security else ()
                started = monotonic()
                await connection.execute(self._opening.begin(lane, tenants))
                trip = monotonic() - started
                crashpoint("commit.begun")
                if len(entries) > 1:
                    written = await write_together(connection, entries, trip)
                else:
                    written = await write_alone(connection, entries[0], trip=trip)
                crashpoint("commit.written")
        except Exception as error:
            if not is_lost(error):
                with suppress(Exception):  # one that cannot even do this is closed by the pool
                    await connection.execute("rollback")
            raise
        if any(isinstance(entry.outcome, Committed) for entry in entries):
            await self._committer.commit(connection, written)
            crashpoint("commit.committed")
        else:
            await connection.execute("rollback")

    async def recover(self, lane: str, entries: Sequence[Entry], error: Exception, *, again: bool = False) -> None:
        """Give each its outcome after `carry` has failed; `again`: the connection was lost once already."""
        if isinstance(error, OutcomeUnknown):
            for entry in entries:
                if isinstance(entry.outcome, Committed):
                    entry.outcome = UnknownOutcome()
        elif isinstance(error, Losers):
            lost = {*map(id, error.entries)}
            await self.run(lane, [entry for entry in entries if id(entry) not in lost])
            for entry in error.entries:
                await self.run(lane, [entry])
        elif isinstance(error, LostBeforeCommit) or is_lost(error):
            if not again:
                await self.run(lane, entries, again=True)
            for entry in entries if again else ():
                entry.outcome = judged(entry, error)
        elif sqlstate(error) == _TOO_LONG and not entries[0].apart:
            for entry in entries:
                entry.apart, entry.outcome = True, None
        elif len(entries) > 1:
            half = len(entries) // 2
            await self.run(lane, entries[:half])
            await self.run(lane, entries[half:])
        elif sqlstate(error) in _OUT_OF_ORDER and not again:
            await self.run(lane, entries, again=True)
        else:
            if sqlstate(error) == _TOO_LONG:
                for plan in entries[0].shape.changes:
                    plan.slow_until = monotonic() + SLOW_SECONDS
            entries[0].outcome = judged(entries[0], error)

    async def run(self, lane: str, entries: Sequence[Entry], *, again: bool = False) -> None:
        """Carry them on a connection of their own, and recover."""
        if not entries:
            return
        try:
            seconds = None if entries[0].apart else self._lanes.settings.shared_seconds
            async with self._lanes.taken(None, self._opening.role(lane), seconds) as connection:
                await self.carry(connection, lane, entries)
        except Unavailable as error:
            for entry in entries:
                entry.outcome = judged(entry, error)
        except Exception as error:
            await self.recover(lane, entries, error, again=again)


def judged(entry: Entry, error: Exception) -> Outcome:
    """Return what an error means to the unit that caused it. Each caller gets an error of its own."""
    if isinstance(error, asyncpg.IntegrityConstraintViolationError):
        # A column that must not be null has no name of its own.
        return Violated(error.constraint_name or f"{error.table_name}.{error.column_name}", entry.failing)
    if isinstance(error, LostBeforeCommit):
        return Unavailable(what="database: the connection was lost twice before anything was committed")
    meant = translate(error, entry.failing.home if entry.failing else "")
    return Unavailable(**meant.values()) if isinstance(meant, Unavailable) else meant
