"""A connection for work that is done step by step before the loop serves: migrations, grants, the check of statements.

The port of migrations is synchronous and is called inside a running loop too, and a data migration is a plain function
that waits for its rows. So the driver runs on a loop of its own in a thread of its own, and each call waits for it.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

import asyncpg

from armature.adapters.postgres.known_types import KnowingConnection
from armature.kernel.refusals import Unavailable

__all__ = ["Session", "connected"]

T = TypeVar("T")


class Session:
    """One connection, used by one thread at a time. Driver errors come through as they are.

    `until` is asked before each call: when it has to have ended, by the monotonic clock, or None. One that takes longer raises
    `Unavailable`, and the connection is cut.
    """

    def __init__(self, url: str, **settings: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="armature-session", daemon=True)
        self._thread.start()
        self.until: Callable[[], float | None] = lambda: None
        try:
            self._connection: Any = self._wait(_connect(url, settings))
        except BaseException:
            self._stop()
            raise

    def run(self, sql: str, *values: Any) -> str:
        """Run SQL and return its tag (`UPDATE 3`); without values it may be several statements."""
        return str(self._wait(self._connection.execute(sql, *values)))

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return all rows of one statement."""
        return [tuple(row) for row in self._wait(self._connection.fetch(sql, *values))]

    def copy(self, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
        """Append rows to a table by COPY, all of them or none."""
        self._wait(self._connection.copy_records_to_table(table, columns=columns, records=rows))

    def copy_in(self, table: str, columns: Sequence[str], file: Path) -> None:
        """Append what a binary COPY wrote to a file, all of it or none."""
        self._wait(self._connection.copy_to_table(table, columns=columns, source=str(file), format="binary"))

    def copy_out(self, table: str, columns: Sequence[str], file: Path) -> int:
        """Write a table to a file by binary COPY; return how many rows there were."""
        found = self._connection.copy_from_table(table, columns=columns, output=str(file), format="binary")
        return int(self._wait(found).split()[-1])

    def prepared(self, sql: str) -> tuple[list[str], list[tuple[str, str]]]:
        """Prepare a statement; return the types of its parameters, and its columns as (name, type)."""
        statement = self._wait(self._connection.prepare(sql))
        columns = [(column.name, column.type.name) for column in statement.get_attributes()]
        return [one.name for one in statement.get_parameters()], columns

    @property
    def in_transaction(self) -> bool:
        """Tell whether a transaction is open, a failed one included."""
        return not self._connection.is_closed() and self._connection.is_in_transaction()

    @property
    def usable(self) -> bool:
        """Whether nobody has ended the connection, as far as is known here."""
        return not self._connection.is_closed()

    @property
    def version(self) -> int:
        """The server's major version."""
        return int(self._connection.get_server_version().major)

    def close(self) -> None:
        """Leave; locks of the session end with it."""
        try:
            self._wait(self._connection.close(timeout=5))
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            self._connection.terminate()
        finally:
            self._stop()

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        waiting = asyncio.run_coroutine_threadsafe(work, self._loop)
        if (until := self.until()) is None:
            return waiting.result()
        try:
            return waiting.result(max(0.0, until - monotonic()))
        except TimeoutError:
            asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result()
            raise Unavailable(what="database: it did not answer in time") from None

    async def _cut(self) -> None:
        self._connection.terminate()

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


# Without a cache of statements: migrations change tables under them.
async def _connect(url: str, settings: dict[str, str]) -> Any:
    return await asyncpg.connect(
        url, timeout=10, statement_cache_size=0, connection_class=KnowingConnection, server_settings=settings
    )


@contextmanager
def connected(url: str, **settings: str) -> Iterator[Session]:
    """Open a session and leave it, whatever happens. `settings` are the server's (`lock_timeout="5s"`)."""
    session = Session(url, **settings)
    try:
        yield session
    finally:
        session.close()
