"""A SQLite file that somebody else writes: reads of it, and what travels to the writer in the form in which SQLite keeps it.

The connections may not write (`query_only`), yet they are opened for writing: after a crash of the writer whoever looks first has
to recover the log, and a connection that is read-only to the system could not.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import apsw
from msgspec import Struct

from armature.adapters.sqlite.apply import Plans
from armature.adapters.sqlite.connection import connect, refuse_unfit
from armature.adapters.sqlite.plan import compile_plan
from armature.adapters.sqlite.reader import Reader
from armature.engine.policies import QueryPolicy
from armature.kernel.refusals import Unavailable
from armature.kernel.statement import Select, Statement
from armature.ports.database import Bound

__all__ = ["SqliteReading"]


class SqliteReading:
    """The reading half of the database port on `path`. A file that is not there is refused, not made."""

    def __init__(self, path: Path, *, synchronous: str, queries: QueryPolicy) -> None:
        self._path = path
        self._synchronous = synchronous
        self._queries = queries
        self._plans = Plans()
        self._reader: Reader | None = None

    async def open(self) -> None:
        """Open the file."""
        refuse_unfit(str(self._path))
        if not self._path.is_file():
            raise Unavailable(what=f"database: there is no file {self._path}; its owner makes it")
        self._reader = Reader(self._connect, self._plans, self._queries)

    def close(self) -> None:
        """Let go of the file."""
        if self._reader is not None:
            self._reader.close()

    def bind(self, statements: Iterable[Statement]) -> None:
        """Compile statements, changes too: one that the file's tables do not fit is refused here, with its place."""
        reader = self._opened()
        for statement in statements:
            if statement not in self._plans:
                self._plans[statement] = compile_plan(reader.db, statement)

    async def read(self, asks: Sequence[Bound]) -> list[list[Any]]:
        """Return the rows of each select, all as of one state."""
        return await self._opened().read(asks)

    def columns(self, statement: Statement) -> tuple[str, ...]:
        """Return the columns of a select in their order."""
        return self._plans[statement].columns

    def plain(self, bound: Bound) -> list[Any]:
        """Return a statement's values as SQLite keeps them."""
        statement, values = bound
        return self._plans[statement].plain(values)

    def shaped(self, statement: Statement, rows: list[Any]) -> list[Any]:
        """Return plain rows as the statement's shape."""
        shape = statement.shape if isinstance(statement, Select) else None
        structs = isinstance(shape, type) and issubclass(shape, Struct)
        return self._plans[statement].make(rows if structs else [(value,) for value in rows])

    def _connect(self) -> apsw.Connection:
        return connect(str(self._path), self._synchronous, writer=False)

    def _opened(self) -> Reader:
        if self._reader is None:
            raise Unavailable(what="database: not open yet")
        return self._reader
