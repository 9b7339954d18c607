"""The database port on one SQLite file.

WAL, one writer, `synchronous` as the policy says (full: what is answered is on the disk). Other processes may use the
same file; their write lock is waited for, `busy_seconds` at most. What may run on the event loop is decided in `cost`
and `reader`, how units share a commit in `writer`.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import apsw

from armature.adapters.sqlite.apply import Applier, Plans
from armature.adapters.sqlite.connection import connect, refuse_unfit
from armature.adapters.sqlite.fence import moved, promoted_to
from armature.adapters.sqlite.plan import compile_plan
from armature.adapters.sqlite.reader import Reader
from armature.adapters.sqlite.writer import Writer
from armature.engine.policies import DatabasePolicy, QueryPolicy
from armature.kernel.refusals import Unavailable
from armature.kernel.statement import Statement
from armature.ports.database import Bound, Decide, Owner, Row, Unit, Verdict

__all__ = ["SqliteDatabase"]

T = TypeVar("T")


class SqliteDatabase:
    """A `Database` on `path` (a file's path or a `file:` URI). `turn_seconds` is how long one turn may hold the writer."""

    takes_kept = True

    def __init__(self, path: str | Path, *, policy: DatabasePolicy, queries: QueryPolicy, turn_seconds: float) -> None:
        self._target = str(path)
        self._policy = policy
        self._queries = queries
        self._turn_seconds = turn_seconds
        self._plans = Plans()
        self._reader: Reader | None = None
        self._writer: Writer | None = None
        self._close: Callable[[], None] = lambda: None
        self._log = ""
        self._state = "not open yet"

    async def open(self) -> None:
        """Open the file, creating it where there is none, and check that the promised durability is in force."""
        if self._state != "not open yet":
            raise Unavailable(what=f"database: {self._target} is {self._state}; make a new one to open it again")
        refuse_unfit(self._target)
        db = connect(self._target, self._policy.synchronous, writer=True)
        place = promoted_to(db)
        if place is not None:
            db.close()
            raise Unavailable(what=moved(place))
        connect_reader = partial(connect, self._target, self._policy.synchronous, writer=False)
        try:
            self._reader = Reader(connect_reader, self._plans, self._queries)
        except Unavailable:
            db.close()
            raise
        self._writer = Writer(Applier(db, self._plans), self._policy, self._turn_seconds)
        self._close = db.close
        self._log = db.filename_wal
        self.read = self._reader.read  # type: ignore[method-assign]  # a call less on the way of every read
        self._state = "open"

    async def close(self) -> None:
        """Give every unit in hand its verdict, then let go of the file. A second close does nothing."""
        if self._writer is None or self._reader is None or self._state != "open":
            return
        self._state = "closed"
        await self._writer.close()
        self._reader.close()
        # Last, because the last connection to leave moves the log back into the file. If the disk does not let it, the
        # next start does: nothing is lost.
        with suppress(apsw.Error):
            self._close()

    def bind(self, statements: Iterable[Statement]) -> None:
        """Compile statements; their tables must exist by now."""
        db = self._opened(self._reader).db
        for statement in statements:
            if statement not in self._plans:
                self._plans[statement] = compile_plan(db, statement)

    async def read(self, asks: Sequence[Bound]) -> list[list[Any]]:
        """Return the rows of each select, all as of one state."""
        reader = self._reader
        if reader is None:
            reader = self._opened(reader)
        return await reader.read(asks)

    async def commit(self, unit: Unit) -> Verdict:
        """Commit one unit, together with whoever else waits."""
        return await self._opened(self._writer).commit(unit)

    def hand_over(self, unit: Unit) -> "asyncio.Future[Verdict]":
        """Queue a unit as `commit` does; the future tells its verdict. For whoever hands over many at once."""
        return self._opened(self._writer).commit(unit)

    async def turn(self, rows: Sequence[Row], decide: Decide, owner: Owner) -> Verdict:
        """Let `decide` run while nobody else writes, then commit what it returns."""
        return await self._opened(self._writer).turn(rows, decide, owner)

    async def script(self, text: str) -> None:
        """Run statements that are no units in one transaction."""
        await self._opened(self._writer).script(text)

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

    @property
    def wal_bytes(self) -> int:
        """The size of the log beside the file; it grows while a reader holds an old state."""
        try:
            return Path(self._log).stat().st_size
        except OSError:
            return 0

    def _opened(self, part: T | None) -> T:
        if part is None or self._state != "open":
            raise Unavailable(what=f"database: {self._state}")
        return part
