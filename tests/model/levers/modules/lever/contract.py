"""What may be asked of levers."""

from typing import Protocol
from uuid import UUID

from msgspec import Struct

from armature import Context, Contract, Event, Failure, Kind, command, event, feed, query


class Lever(Struct, frozen=True):
    """A lever."""

    id: UUID
    note: str
    version: int


class Seen(Struct, frozen=True):
    """How much, or how often."""

    count: int


@event("lever.pulled", schema=1, stream="lever_id", version="version")
class Pulled(Event, frozen=True):
    """A lever was pulled, and wants so many lines; a negative number can be folded by nobody."""

    lever_id: UUID
    version: int
    lines: int


class NoLever(Failure, kind=Kind.NOT_FOUND, code="lever:none"):
    """There is no lever {lever_id}."""

    lever_id: UUID


class Levers(Contract, Protocol, name="lever", version=1):
    """Levers of every kind."""

    @command("POST /levers", permission="lever:write", status=201)
    async def add(self, ctx: Context, *, note: str = "") -> Lever:
        """Put one up."""
        ...

    @command("POST /levers/{lever_id}/pull", permission="lever:write", refuses=[NoLever])
    async def pull(self, ctx: Context, *, lever_id: UUID, gate: str = "", lines: int = 1) -> Lever:
        """Read the lever, wait at the gate, and move it one further."""
        ...

    @command("POST /levers/{lever_id}/push", permission="lever:write", refuses=[NoLever])
    async def push(self, ctx: Context, *, lever_id: UUID) -> Lever:
        """Move the lever one further, by another name."""
        ...

    @command("POST /many", permission="lever:write")
    async def many(self, ctx: Context, *, count: int, letters: int = 1) -> Seen:
        """Put up many in one unit, each with a note of so many letters."""
        ...

    @command("POST /wipe", permission="lever:write")
    async def wipe(self, ctx: Context) -> None:
        """Clear the notes of all with one statement."""
        ...

    @command("POST /toil", permission="lever:write")
    async def toil(self, ctx: Context, *, size: int) -> None:
        """Write something that takes the database long."""
        ...

    @command("POST /tell", permission="lever:write")
    async def tell(self, ctx: Context, *, times: int = 1, lines: int = 1) -> Seen:
        """Tell of pulls of levers that nobody has put up."""
        ...

    @command("POST /hold", permission="lever:write")
    async def hold_command(self, ctx: Context, *, gate: str) -> None:
        """Decide slowly: wait at the gate."""
        ...

    @query("GET /hold", permission="lever:read")
    async def hold(self, ctx: Context, *, gate: str) -> None:
        """Wait at the gate."""
        ...

    @query("GET /patient", permission="lever:read", deadline_seconds=1.0)
    async def patient(self, ctx: Context) -> None:
        """Wait for the deadline of its own: what comes after it, comes late."""
        ...

    @query("GET /levers/{lever_id}", permission="lever:read", refuses=[NoLever])
    async def get(self, ctx: Context, *, lever_id: UUID) -> Lever:
        """Read one row."""
        ...

    @query("GET /stall", permission="lever:read")
    async def stall(self, ctx: Context, *, size: int) -> Seen:
        """Read what looks short by its plan and is long in fact."""
        ...

    @query("GET /climb", permission="lever:read")
    async def climb(self, ctx: Context, *, steps: int) -> Seen:
        """Read what is long by its plan."""
        ...

    @query("GET /seen", permission="lever:read")
    async def seen(self, ctx: Context) -> Seen:
        """Count the pulls in the read model that nothing may be missing in."""
        ...

    @query("GET /say", permission="lever:read")
    async def say(self, ctx: Context, *, letters: int) -> str:
        """Answer with so many letters."""
        ...

    @query("GET /open", public=True)
    async def open(self, ctx: Context) -> Seen:
        """Answer anybody."""
        ...

    @query("GET /bug", permission="lever:read")
    async def bug(self, ctx: Context) -> None:
        """Fail as a bug does."""
        ...

    @query("GET /ask", permission="lever:read")
    async def ask(self, ctx: Context, *, url: str) -> Seen:
        """Ask the outside world; return the status it answered with."""
        ...

    @command("POST /ask", permission="lever:write")
    async def ask_while_deciding(self, ctx: Context, *, url: str) -> Seen:
        """Ask the outside world where nobody may."""
        ...

    @feed("GET /levers/{lever_id}/events", of=[Pulled], permission="lever:read")
    async def events(self, ctx: Context, *, lever_id: UUID) -> None:
        """Follow a lever."""
        return  # the platform serves it
