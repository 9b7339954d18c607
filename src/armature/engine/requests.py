"""Wishes of the command line to running roles: a row asks, a role takes it, the row tells how it ended.

The command line may run on another machine than the role, and either may be killed in between. So a wish is data, and its
end is written in the same commit as what it asked for.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Literal

from msgspec import Struct

from armature.engine.generations import unit
from armature.kernel.statement import Statement, change, select
from armature.ports.database import Committed, Database

__all__ = ["REQUEST_STATEMENTS", "Request", "Requests"]

Kind = Literal["replay", "retry"]


class Request(Struct, frozen=True):
    """A row of `armature_requests`; `subject` is a projection, `stream` is empty for all of its streams."""

    id: int
    kind: Kind
    subject: str
    stream: str
    state: Literal["asked", "running", "done", "refused", "withdrawn"]
    generation: int | None
    detail: str


ASK = change(
    """
insert into armature_requests (kind, subject, stream, asked_at) values (:kind, :subject, :stream, :asked_at)
""",
)

LATEST = select(
    int,
    """
select coalesce(max(id), 0) from armature_requests where kind = :kind and subject = :subject and stream = :stream
""",
)

OPEN = select(
    Request,
    """
select id, kind, subject, stream, state, generation, detail
  from armature_requests
 where subject = :subject and state in ('asked', 'running')
 order by id
 limit 100
""",
)

BY_ID = select(
    Request,
    """
select id, kind, subject, stream, state, generation, detail from armature_requests where id = :id
""",
)

JOIN = change(
    """
update armature_requests set state = 'running', generation = :generation where id = :id and state = 'asked'
""",
    row=("id",),
)

END = change(
    """
update armature_requests set state = :state, detail = :detail where id = :id and state in ('asked', 'running')
""",
    row=("id",),
)

REQUEST_STATEMENTS: tuple[Statement, ...] = (ASK, LATEST, OPEN, BY_ID, JOIN, END)


class Requests:
    """The wishes of one database."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now
        database.bind(REQUEST_STATEMENTS)

    async def ask(self, kind: Kind, subject: str, stream: str = "") -> int:
        """Write a wish down; return its id."""
        await self._database.commit(unit([(ASK, (kind, subject, stream, self._now()))]))
        ((latest,),) = await self._database.read(((LATEST, (kind, subject, stream)),))
        return int(latest)

    async def open(self, subject: str) -> Sequence[Request]:
        """Return the wishes about a projection that are not done."""
        (rows,) = await self._database.read(((OPEN, (subject,)),))
        return rows

    async def get(self, id: int) -> Request | None:
        """Return a wish as it stands."""
        (rows,) = await self._database.read(((BY_ID, (id,)),))
        return rows[0] if rows else None

    async def join(self, id: int, generation: int) -> None:
        """Let a wish wait for a generation that is being built already."""
        values = {"id": id, "generation": generation}
        await self._database.commit(unit([(JOIN, tuple(values[name] for name in JOIN.params))]))

    async def end(self, id: int, state: Literal["done", "refused", "withdrawn"], detail: str) -> bool:
        """Write down how a wish ended; False when it had ended already."""
        values = {"id": id, "state": state, "detail": detail}
        verdict = await self._database.commit(unit([(END, tuple(values[name] for name in END.params))]))
        return isinstance(verdict, Committed)
