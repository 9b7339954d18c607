"""The database of a process that has none: an edge in front of other processes, which hosts nothing that is written down.

What asks it has a bug or a wrong topology; it is told so.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from armature.kernel.refusals import Unavailable
from armature.kernel.statement import Statement
from armature.ports.database import Bound, Decide, Owner, Row, Unit, Verdict

__all__ = ["NoDatabase"]


class NoDatabase:
    """`Database` without one."""

    takes_kept = False

    commits = 0
    batches = 0

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    def bind(self, statements: Iterable[Statement]) -> None:
        """Nothing will be asked."""

    async def read(self, asks: Sequence[Bound]) -> list[list[Any]]:
        """Refuse."""
        _refuse()

    async def commit(self, unit: Unit) -> Verdict:
        """Refuse."""
        _refuse()

    async def turn(self, rows: Sequence[Row], decide: Decide, owner: Owner) -> Verdict:
        """Refuse."""
        _refuse()

    async def script(self, text: str) -> None:
        """Refuse."""
        _refuse()


def _refuse() -> NoReturn:
    raise Unavailable(what="this process has no database: nothing it hosts has tables, and it plays no role that reads the log")
