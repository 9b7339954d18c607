"""The seam that brings a database's schema to where the files say.

Laws (armature.conformance.migrator proves them):
 1. Every migration is applied once, in the order given, also when ten processes start together.
 2. A migration and its row in `armature_migrations` are one transaction: a kill at any moment leaves both or neither.
 3. A migration that fails changes nothing, and names its file, its line and the cure; those before it stay.
 4. A migration that runs without a transaction may run again after a kill, so it must be written to bear that; its row
    is written after it, and still only one process runs it at a time.
 5. Looking (`applied`) changes nothing and creates nothing.
 6. What a failed or refused migrate leaves behind can be migrated once its cause is gone.

The port is synchronous: schemas change before the loop serves, and a data migration is a plain function.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Protocol

from msgspec import Struct

__all__ = ["Applied", "Data", "Migration", "Migrator", "Pending", "SchemaRefused", "SchemaUnreachable", "Trouble"]


class Migration(Struct, frozen=True):
    """One file of a module, as chosen for one dialect."""

    module: str
    number: int
    name: str
    file: str
    checksum: str
    text: str
    python: bool = False
    raw: bool = False
    """A twin: written in the dialect's own words, not translated."""
    transaction: bool = True


class Applied(Struct, frozen=True):
    """A row of `armature_migrations`."""

    module: str
    number: int
    name: str
    checksum: str
    applied_at: datetime


class Trouble(Struct, frozen=True):
    """What is wrong, where, and what to do about it."""

    file: str
    line: int
    text: str
    cure: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.text}; {self.cure}"


class SchemaRefused(Exception):
    """The schema cannot be brought to where the files say. The message has one line per trouble."""

    def __init__(self, *troubles: Trouble) -> None:
        self.troubles = troubles
        super().__init__("\n".join(map(str, troubles)))


class SchemaUnreachable(SchemaRefused):
    """The database is away, or somebody stands in the way. Nothing is wrong with the files: asked again later, it may work."""


class Data(Protocol):
    """What a data migration's `migrate(db)` is given: SQL inside the migration's own transaction."""

    def rows(self, sql: str, params: Sequence[Any] | dict[str, Any] = (), /) -> list[tuple[Any, ...]]:
        """Return all rows as plain values (a uuid as bytes, a timestamptz as microseconds on SQLite)."""
        ...

    def run(self, sql: str, params: Sequence[Any] | dict[str, Any] = (), /) -> int:
        """Run a change; return how many rows it touched. UUID and datetime values are converted."""
        ...


Pending = Callable[[Sequence[Applied]], Sequence[Migration]]
"""Says what is left to do, given what is done; raises SchemaRefused when the two do not fit."""


class Migrator(Protocol):
    """One database's schema."""

    @property
    def dialect(self) -> str:
        """The middle word of the twins it takes: `0001_x.<dialect>.sql`."""
        ...

    def applied(self) -> list[Applied]:
        """Return what was applied, by module and number; nothing for a database that does not exist yet."""
        ...

    def migrate(self, pending: Pending) -> list[Migration]:
        """Apply what is pending, asking again under the lock before each; return what this call applied."""
        ...
