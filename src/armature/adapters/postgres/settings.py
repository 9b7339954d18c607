"""What the adapter must be told: where the database is, how many connections it may hold, and which walls stand."""

from typing import Any, Self

from msgspec import Struct

from armature.engine.policies import PostgresPolicy

__all__ = ["PostgresSettings"]


class PostgresSettings(Struct, frozen=True, kw_only=True):
    """One process's share of a PostgreSQL. All times are seconds."""

    url: str
    """`postgresql://user:password@host:port/database`; the user is a member of every lane role and owns nothing."""
    owner_url: str | None = None
    """The owner of the tables: scripts (DDL of generations) run as it. None: the user of `url` is the owner."""
    modules: tuple[str, ...] = ()
    """All modules of the system; a table belongs to the one whose name it begins with."""
    read_size: int = 8
    write_size: int = 8
    statement_seconds: float = 10.0
    """The server ends a statement that takes longer."""
    lock_seconds: float = 1.0
    """The server ends a statement that waits longer for a lock."""
    idle_in_transaction_seconds: float = 30.0
    """The server ends a session that holds a transaction open and says nothing: its process is stuck or gone."""
    acquire_seconds: float = 2.0
    """How long a caller waits for a connection, and how long making one may take, before it is told 503."""
    roles: bool = True
    """Run each module's statements under its own role, which can see no other module's tables."""
    row_security: bool = True
    """Tell the policies of tenant tables whose rows the callers may see."""
    application_name: str = "armature"

    @property
    def shared_seconds(self) -> float:
        """A statement that works for several units is ended so soon: longer than its locks may take, and each goes out alone."""
        return min(self.statement_seconds, 2 * self.lock_seconds)

    @property
    def silence_seconds(self) -> float:
        """A server that leaves a transaction without an end for so long stands still, and obeys none of these limits."""
        return self.statement_seconds + self.acquire_seconds

    @classmethod
    def of(cls, policy: PostgresPolicy, **place: Any) -> Self:
        """Return settings with the policy's numbers; `place` are the other fields."""
        return cls(
            read_size=policy.read_connections,
            write_size=policy.write_connections,
            statement_seconds=policy.statement_seconds,
            lock_seconds=policy.lock_seconds,
            idle_in_transaction_seconds=policy.idle_in_transaction_seconds,
            acquire_seconds=policy.acquire_seconds,
            **place,
        )
