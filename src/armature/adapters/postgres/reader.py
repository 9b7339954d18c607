"""Reads: alone, together with others that ask the same, or several questions about one state.

A lone read needs no transaction: it is one statement (`coalesced`). Several are a `repeatable read` transaction of their own,
and so is one whose statement cannot be shared.
"""

from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from armature.adapters.postgres.coalesced import Coalesced
from armature.adapters.postgres.connection import LaneConnection, quoted
from armature.adapters.postgres.lanes import Lanes
from armature.adapters.postgres.plan import Plan, Plans
from armature.adapters.postgres.trouble import is_lost, translate
from armature.adapters.postgres.values import array_text, literal
from armature.kernel.refusals import Unavailable
from armature.kernel.statement import Statement
from armature.ports.database import Bound

__all__ = ["Reader"]

_OPEN = "begin isolation level repeatable read read only"


class Reader:
    """The reading half. `lanes` are its own, so that commits never wait for reads."""

    def __init__(self, lanes: Lanes, plans: Plans) -> None:
        self._lanes = lanes
        self._plans = plans
        self._queues: dict[Statement, Coalesced] = {}
        self._closed = False

    def read(self, asks: Sequence[Bound]) -> Awaitable[list[list[Any]]]:
        """Return the rows of each ask, all as of one state."""
        if self._closed:
            raise Unavailable(what="database: closed")
        if len(asks) == 1:
            statement, values = asks[0]
            queue = self._queues.get(statement) or self._queue(statement)
            if queue is not None:
                return queue.read(values)
        return self._of_one_state([(self._plans[statement], values) for statement, values in asks])

    async def close(self) -> None:
        """Refuse newcomers, wait for what is away."""
        self._closed = True
        for queue in self._queues.values():
            queue.close()
        await self._lanes.close()

    def _queue(self, statement: Statement) -> Coalesced | None:
        """Return where the statement's callers meet; None for one that must be alone."""
        plan = self._plans[statement]
        if plan.shared is None and plan.types:
            return None
        found = self._queues[statement] = Coalesced(plan, self._lanes)
        return found

    async def _of_one_state(self, asks: Sequence[tuple[Plan, Sequence[Any]]]) -> list[list[Any]]:
        if not asks:
            return []
        for last in (False, True):
            home = ""
            try:
                async with self._lanes.taken(None, asks[0][0].role) as connection, _snapshot(connection, asks):
                    found = []
                    role = asks[0][0].role
                    for plan, values in asks:
                        home = plan.statement.home
                        if plan.role != role:
                            role = plan.role
                            await connection.execute(f"set local role {quoted(role) if role else 'none'}")
                        found.append(await plan.fetch(connection, values))
                    return found
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
                if last or isinstance(error, TimeoutError) or not is_lost(error):
                    raise translate(error, home) from error
        raise AssertionError("unreachable")


@asynccontextmanager
async def _snapshot(connection: LaneConnection, asks: Sequence[tuple[Plan, Sequence[Any]]]) -> AsyncIterator[None]:
    """Hold one state for the block. What the block did wrong ends the transaction, not the connection."""
    tenants = {values[plan.tenant_at] for plan, values in asks if plan.secured and plan.tenant_at is not None}
    told = f"; select set_config('app.tenants', {literal(array_text(tenants))}, true)" if tenants else ""
    await connection.execute(_OPEN + told)
    try:
        yield
    except Exception as error:
        if not is_lost(error):
            await connection.execute("rollback")
        raise
    await connection.execute("commit")
