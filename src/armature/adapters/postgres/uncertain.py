"""COMMIT, and what to answer when the connection is lost in it.

PostgreSQL remembers what became of each transaction. So who loses the connection asks on a new one, after making sure that the
old server process does no more work. A number can come back after a crash (it is not on the disk before its commit is), and
another timeline has its own numbers: an event of the batch, which carries an id of ours, is the better witness; without one
the number counts only on the server that gave it. A statement that is its own transaction has events alone; they are looked for
above the ids that were told before, because none below can be theirs.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from time import monotonic
from typing import TypeVar
from uuid import UUID
from weakref import WeakKeyDictionary

import asyncpg
from msgspec import Struct

from armature.adapters.postgres.connection import LaneConnection
from armature.adapters.postgres.lanes import Lanes
from armature.adapters.postgres.opening import Opening
from armature.adapters.postgres.trouble import is_lost
from armature.engine.migrations import FRAMEWORK

__all__ = ["Committer", "LostBeforeCommit", "OutcomeUnknown", "Written"]

_PATIENCE_SECONDS = 5.0
_LOOK_SECONDS = 0.02

# One that recovers from the crash of one of its processes was not started anew, but has lost its statistics.
_SERVER = """
select pg_postmaster_start_time()::text || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)
       || coalesce((select stats_reset::text from pg_stat_wal), '')
"""
# A server process is told from a later one of the same number by its birth.
_BORN = "select backend_start from pg_stat_activity where pid = pg_backend_pid()"
_STATUS = "select pg_xact_status($1::text::xid8)"
# Only that very transaction's process: the number of a process may have been given to another one.
_END = """
select pg_terminate_backend(pid) from pg_stat_activity
 where pid = $1 and backend_xid is not null and backend_xid = $2::text::xid8::xid
"""
_END_BORN = "select pg_terminate_backend(pid) from pg_stat_activity where pid = $1 and backend_start = $2"
_PROOF = "select 1 from armature_outbox where id = $1 and event_id = $2"
_IDS = "select event_id, id from armature_outbox where id > $1 and event_id = any ($2::uuid[])"

T = TypeVar("T")


class LostBeforeCommit(Exception):
    """The connection went before anything was committed: certainly without effect."""


class OutcomeUnknown(Exception):
    """Nobody can be asked what became of the transaction."""


class Written(Struct):
    """What is known of a transaction before its COMMIT. `transaction` is None for one that wrote nothing."""

    transaction: str | None = None
    proof: tuple[int, UUID] | None = None


class _Known(Struct, frozen=True):
    """Which server a connection speaks to, and since when its process there lives."""

    server: str
    born: datetime


class Committer:
    """Commits on the connections of one pool."""

    def __init__(self, lanes: Lanes, opening: Opening, seconds_max: float) -> None:
        self._lanes = lanes
        self._opening = opening
        self._known: WeakKeyDictionary[LaneConnection, _Known] = WeakKeyDictionary()
        self._server = ""
        self._newest = 0
        """The largest id of an event that this server told us; 0: none yet."""
        self.seconds_max = seconds_max

    async def know(self, connection: LaneConnection) -> None:
        """Note which server a connection speaks to; once for each connection."""
        if connection in self._known:
            return
        async with asyncio.timeout(self.seconds_max):
            # Only the login itself sees when its processes were born.
            role = connection.role
            await connection.speak_as(None)
            known = _Known(await connection.fetchval(_SERVER), await connection.fetchval(_BORN))
            await connection.speak_as(role)
        self._known[connection] = known
        if known.server != self._server:
            # One that took over may not have all that the other one told.
            self._server, self._newest = known.server, 0

    def floor(self, connection: LaneConnection) -> int:
        """Return an id below all that a statement sent now will draw; 0 where none is known, so that nobody could be asked."""
        return self._newest if self._known[connection].server == self._server else 0

    def told(self, connection: LaneConnection, ids: Sequence[int | None]) -> None:
        """Note ids of events that were committed on a connection."""
        if self._known[connection].server == self._server:
            self._newest = max((self._newest, *[one for one in ids if one is not None]))

    async def commit(self, connection: LaneConnection, written: Written) -> None:
        """Return when the transaction is durable. An answer that says no is raised as it is."""
        pid = connection.get_server_pid()
        try:
            async with asyncio.timeout(self.seconds_max):
                await connection.execute("commit")
        except Exception as error:
            if not is_lost(error):
                raise
            known = self._known.get(connection)
            connection.terminate()
            if written.transaction is None or not await _patiently(lambda until: self._ask(pid, known, written, until)):
                raise LostBeforeCommit from error

    async def ids_of(self, connection: LaneConnection, events: Sequence[UUID], floor: int) -> dict[UUID, int]:
        """Return the ids of these events, given that the connection was lost in the statement that writes them all or none.

        `floor` is that of the moment when it was sent: what others told since may be above their ids.
        """
        pid, known = connection.get_server_pid(), self._known[connection]
        connection.terminate()
        return await _patiently(lambda until: self._ask_events(pid, known, (floor, events), until))

    async def _ask_events(
        self, pid: int, known: _Known, wanted: tuple[int, Sequence[UUID]], until: float
    ) -> dict[UUID, int] | None:
        connection = await self._lanes.fresh()
        try:
            async with asyncio.timeout(max(0.1, until - monotonic())):
                same = await connection.fetchval(_SERVER) == known.server
                if same and await connection.fetchval(_END_BORN, pid, known.born) is not None:
                    return None  # it was still there, and what it does may be this very statement
                await connection.execute(self._opening.begin(FRAMEWORK, ()))
                return {row[0]: row[1] for row in await connection.fetch(_IDS, *wanted)}
        finally:
            connection.terminate()

    async def _ask(self, pid: int, known: _Known | None, written: Written, until: float) -> bool | None:
        connection = await self._lanes.fresh()
        try:
            async with asyncio.timeout(max(0.1, until - monotonic())):
                same = known is not None and await connection.fetchval(_SERVER) == known.server
                status = await self._status(connection, written)
                if same and status == "in progress":
                    await connection.fetchval(_END, pid, written.transaction)
                    return None
                if written.proof is not None:
                    await connection.execute(self._opening.begin(FRAMEWORK, ()))
                    return await connection.fetchval(_PROOF, *written.proof) is not None
                return {"committed": True, "aborted": False}.get(status or "") if same else None
        finally:
            connection.terminate()

    async def _status(self, connection: LaneConnection, written: Written) -> str | None:
        try:
            status: str | None = await connection.fetchval(_STATUS, written.transaction)
        except asyncpg.PostgresError:  # a number that this server has not reached
            return None
        return status


async def _patiently(ask: Callable[[float], Awaitable[T | None]]) -> T:
    """Ask until there is an answer, as long as patience lasts."""
    until = monotonic() + _PATIENCE_SECONDS
    while True:
        with suppress(Exception):  # whatever goes wrong with asking: it is asked again
            found = await ask(until)
            if found is not None:
                return found
        if monotonic() > until:
            raise OutcomeUnknown
        await asyncio.sleep(_LOOK_SECONDS)
