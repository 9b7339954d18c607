"""What may be asked of the pier."""

from typing import Protocol
from uuid import UUID

from msgspec import Struct

from armature import Context, Contract, Failure, Kind, command, query


class Crate(Struct, frozen=True):
    """A crate on the pier."""

    id: UUID
    note: str


class Seen(Struct, frozen=True):
    """How many."""

    count: int


class NoRoom(Failure, kind=Kind.CONFLICT, code="pier:no_room"):
    """There is no room for {note}."""

    note: str


class Pier(Contract, Protocol, name="pier", version=1):
    """Crates. A gate is the path of a file: `GATE.at` says that somebody waits there, `GATE.open` lets everybody through."""

    @command("POST /crates", permission="pier:write", refuses=[NoRoom], status=201)
    async def load(self, ctx: Context, *, note: str, gate: str = "") -> Crate:
        """Wait at the gate, and put up a crate."""
        ...

    @query("GET /crates", permission="pier:read")
    async def count(self, ctx: Context, *, note: str) -> Seen:
        """Count the crates with this note."""
        ...

    @query("GET /watch", permission="pier:read")
    async def watch(self, ctx: Context, *, gate: str = "") -> Seen:
        """Wait at the gate, and count the crates."""
        ...

    @query("GET /glance", permission="pier:read", deadline_seconds=1.0)
    async def glance(self, ctx: Context, *, gate: str) -> Seen:
        """Watch, for a second at most."""
        ...

    @query("GET /climb", permission="pier:read", deadline_seconds=1.0)
    async def climb(self, ctx: Context, *, steps: int) -> Seen:
        """Keep the database busy for long, for a second at most."""
        ...

    @query("GET /stumble", permission="pier:read")
    async def stumble(self, ctx: Context) -> Seen:
        """Fail as a bug does."""
        ...
