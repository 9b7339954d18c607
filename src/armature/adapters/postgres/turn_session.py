"""The connection on which a chain of turns runs, and how one of them decides on it, within its time."""

import asyncio
from collections.abc import Sequence
from contextvars import Context, copy_context
from typing import Any

import asyncpg
from msgspec import Struct, field

from armature.adapters.postgres.connection import LaneConnection
from armature.adapters.postgres.entry import Entry
from armature.adapters.postgres.opening import Opening
from armature.adapters.postgres.plan import Plans
from armature.adapters.postgres.rows import Build
from armature.adapters.postgres.trouble import translate
from armature.kernel.refusals import Unavailable
from armature.ports.database import Bound, Decide, Owner, Unit, Verdict

__all__ = ["Turn", "TurnSession", "decided_in"]


class Turn(Struct, eq=False):
    """A command that waits for its rows, and what came of it."""

    done: "asyncio.Future[Verdict]"
    owner: Owner
    decide: Decide
    entry: Entry | None = None
    context: Context = field(default_factory=copy_context)
    """The caller's: what it logs and traces while it decides is its own."""
    refusal: BaseException | None = None
    """What it decided instead of a unit, having read what turns before it wrote: told when that is committed."""

    def settle(self, outcome: Verdict | BaseException) -> None:
        """Answer the caller, who may have left."""
        if self.done.done():
            return
        if isinstance(outcome, BaseException):
            self.done.set_exception(outcome)
        else:
            self.done.set_result(outcome)


class TurnSession:
    """The connection of a link, with the role and the tenants that its transaction has just now."""

    def __init__(self, connection: LaneConnection, plans: Plans, opening: Opening) -> None:
        self.connection = connection
        self._plans = plans
        self._opening = opening
        self._tenants: set[str] = set()
        self._entered: tuple[str | None, frozenset[str]] = (None, frozenset())
        self._one = asyncio.Lock()
        self.asked: list[Bound] = []
        """What the turn in hand has asked, each by itself."""
        self.seen: tuple[Bound, Build, Any] | None = None
        """The last question whose answer came with the change of a turn, what makes its shape, and the row."""
        self.broken = False
        """A statement failed: the transaction takes no more until it is undone."""

    async def enter(self, role: str | None, *tenants: str | None) -> None:
        """Speak as a role, for one tenant more; a round trip only where that is new."""
        if self._opening.row_security:
            self._tenants.update(tenant for tenant in tenants if tenant is not None)
        wanted = (role, frozenset(self._tenants))
        if wanted != self._entered:
            await self.connection.execute(self._opening.enter(*wanted))
            self._entered = wanted

    def forget(self) -> None:
        """The turn was undone to its savepoint, which took role and tenants with it."""
        self.broken = False
        self._entered = (None, frozenset())

    async def read(self, asks: Sequence[Bound]) -> list[list[Any]]:
        """Read in the transaction: all that was committed, and what the turns before this one wrote."""
        async with self._one:
            home = ""
            try:
                found = []
                for statement, values in asks:
                    self.asked.append((statement, values))
                    if self.seen is not None and self.seen[0] == (statement, values):
                        found.append([self.seen[1](self.seen[2])])
                        continue
                    home = statement.home
                    plan = self._plans[statement]
                    await self.enter(plan.role, values[plan.tenant_at] if plan.tenant_at is not None else None)
                    found.append(await plan.fetch(self.connection, values))
                return found
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
                self.broken = True
                raise translate(error, home) from error
            except asyncio.CancelledError:
                self.broken = True
                raise


async def decided_in(session: TurnSession, turn: Turn, seconds: float) -> Unit | BaseException:
    """Return the unit a turn wants to leave behind, or what to raise at its caller."""
    over = False

    async def read(asks: Sequence[Bound]) -> list[list[Any]]:
        if over:
            raise Unavailable(what="database: the turn is over")
        return await session.read(asks)

    async def unit() -> Unit:
        return await turn.decide(read)

    task = asyncio.get_running_loop().create_task(unit(), context=turn.context)
    await asyncio.wait((task, turn.done), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    late = not task.done()
    over = True
    if late:
        task.cancel()
        await asyncio.wait((task,), timeout=seconds)
    if not task.done() or task.cancelled():
        error: BaseException | None = None
    else:
        error = task.exception()
    if turn.done.done():
        # Its caller was told meanwhile that nothing happened (a deadline); so nothing must.
        return Unavailable(what="database: nobody waits for this turn any more")
    if late or task.cancelled():
        long = Unavailable(what=f"database: the command held its rows for longer than {seconds} s")
        turn.settle(long)  # and not again, whatever becomes of the others
        return long
    if error is None and not isinstance(task.result(), Unit):
        return TypeError(f"a turn decides on a Unit, not on {task.result()!r}")
    return error or task.result()
