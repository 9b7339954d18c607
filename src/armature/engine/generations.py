"""Generations of read models in the database: which there are, how far they are, and how one takes another's place.

A generation's row, its checkpoint and its tables come into being in one transaction, so that a row without tables cannot
be met. What takes a live one's place does so in one commit, guarded by "not behind the one it replaces". Dropping is the
last step of a life and is only done to what no living process has announced for a while.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from math import inf
from typing import Any, Literal, Protocol

from msgspec import Struct

from armature.engine.ddl import renamed_ddl, tables
from armature.kernel.projection import Projection
from armature.kernel.statement import Statement, change, select
from armature.ports.database import Bound, Committed, Database, Unit, Verdict

__all__ = ["ALL", "GENERATION_STATEMENTS", "Ddl", "GenerationRow", "Generations", "Model", "roll_forward", "unit"]


class Ddl(Protocol):
    """Writes what a generation is made of in the database's own words."""

    def __call__(self, text: str, *, file: str) -> str:
        """Return the database's words for `text`; errors name `file` and a line."""
        ...

    def moment(self, at: datetime) -> str:
        """Return a literal for a timestamptz column."""
        ...


_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")


class Model(Struct, frozen=True):
    """A projection with its tables, as this release of the code knows it."""

    projection: Projection
    ddl: str
    tables: tuple[str, ...]
    fingerprint: str

    @property
    def name(self) -> str:
        """The projection's name, `module.noun`."""
        return self.projection.name

    @classmethod
    def of(cls, projection: Projection, ddl: str) -> "Model":
        """Read the DDL; refuse a projection that could not be built."""
        names = tuple(tables(ddl))
        kind = type(projection).__name__
        if not _NAME.fullmatch(projection.name):
            raise ValueError(f"{kind}: {projection.name!r} is no projection name; write it as module.noun in lower case")
        if not names:
            raise ValueError(f"{kind}: {projection.tables} creates no table; a projection owns at least one")
        text = f"{projection.version}\0{ddl}".encode()
        return cls(projection, ddl, names, hashlib.sha256(text).hexdigest())

    def renames(self, generation: int) -> dict[str, str]:
        """Return the names of the tables in a generation."""
        return {name: f"{name}__{generation}" for name in self.tables}


class GenerationRow(Struct, frozen=True):
    """A generation with its checkpoint."""

    projection: str
    generation: int
    fingerprint: str
    tables: str
    """Names of its tables, by blanks: a later release no longer knows them when it drops this generation."""
    state: Literal["building", "live", "retired"]
    target: int
    announced_at: datetime
    position: int
    part: int
    version: int


ALL = select(
    GenerationRow,
    """
select g.projection, g.generation, g.fingerprint, g.tables, g.state, g.target, g.announced_at,
       c.position, c.part, c.version
  from armature_generations g
  join armature_checkpoints c on c.projection = g.projection and c.generation = g.generation and c.shard = 0
 where g.projection = :projection
 order by g.generation
 limit 100
""",
)

# The compare-and-set of every commit of a projector: whoever decided on an older version changes nothing.
MOVE = change(
    """
update armature_checkpoints
   set position = :position, part = :part, version = :expected + 1
 where projection = :projection and generation = :generation and shard = 0 and version = :expected
""",
    row=("projection", "generation"),
    cas="expected",
)

RETIRE = change(
    """
update armature_generations
   set state = 'retired', announced_at = :now
 where projection = :projection and fingerprint = :fingerprint and state = 'live'
""",
    rows=None,
)

GO_LIVE = change(
    """
update armature_generations
   set state = 'live', announced_at = :now
 where projection = :projection and generation = :generation and state = 'building'
""",
    row=("projection", "generation"),
)

NOT_BEHIND = select(
    int,
    """
select c.generation
  from armature_checkpoints c
  join armature_generations n on n.projection = c.projection and n.generation = c.generation
 where c.projection = :projection and c.generation = :generation and c.shard = 0 and c.part = 0
   and c.position >= n.target
   and c.position >= (select coalesce(max(o.position), 0)
                        from armature_generations g
                        join armature_checkpoints o
                          on o.projection = g.projection and o.generation = g.generation and o.shard = 0
                       where g.projection = :projection and g.fingerprint = :fingerprint and g.state = 'live')
   and not exists (select 1 from armature_parked p where p.projection = :projection and p.generation = :generation)
 limit 1
""",
)

ANNOUNCE = change(
    """
update armature_generations set announced_at = :now where projection = :projection and generation = :generation
""",
    rows=None,
)

GIVE_UP = change(
    """
update armature_generations
   set state = 'retired', announced_at = :long_ago
 where projection = :projection and generation = :generation and state = 'building'
""",
    rows=None,
)

FINISH_REQUESTS = change(
    """
update armature_requests
   set state = :state, detail = :detail
 where kind = 'replay' and subject = :projection and generation = :generation and state = 'running'
""",
    rows=None,
)

GENERATION_STATEMENTS: tuple[Statement, ...] = (ALL, MOVE, RETIRE, GO_LIVE, NOT_BEHIND, ANNOUNCE, GIVE_UP, FINISH_REQUESTS)


class _Platform:
    """Owner of the framework's own units: nobody's deadline, and never gone."""

    deadline = inf
    gone = False
    in_hand = True


_OWNER = _Platform()


def unit(writes: Sequence[Bound], guards: Sequence[Bound] = ()) -> Unit:
    """Return a unit of the framework's own."""
    return Unit("armature", _OWNER, writes, guards)


def roll_forward(row: GenerationRow, position: int, part: int) -> Bound:
    """Return the move of a checkpoint away from what `row` says."""
    values: dict[str, Any] = {"position": position, "part": part, "expected": row.version}
    values |= {"projection": row.projection, "generation": row.generation}
    return MOVE, tuple(values[name] for name in MOVE.params)


class Generations:
    """The generations of all projections of one database."""

    def __init__(self, database: Database, translate: Ddl, now: Callable[[], datetime]) -> None:
        self._database = database
        self._translate = translate
        self._now = now
        database.bind(GENERATION_STATEMENTS)

    async def of(self, projection: str) -> list[GenerationRow]:
        """Return the generations of a projection, oldest first."""
        (rows,) = await self._database.read(((ALL, (projection,)),))
        return rows

    async def create(self, model: Model, target: int, request: int | None = None) -> None:
        """Create the next generation, empty, with its tables. Of two processes that try at once one does it."""
        before = await self.of(model.name)
        number = max((row.generation for row in before), default=0) + 1
        try:
            await self._database.script(self._creation(model, number, target, request))
        except Exception:
            # Somebody else was first: the row's key refused this script. Anything else is a real failure.
            if all(row.generation != number for row in await self.of(model.name)):
                raise

    async def swap(self, model: Model, row: GenerationRow) -> bool:
        """Put a complete generation in the live one's place, in one commit; False when it is not there yet."""
        name, now = model.name, self._now()
        known: dict[str, Any] = {"projection": name, "generation": row.generation}
        known |= {"fingerprint": model.fingerprint, "now": now}
        known |= {"state": "done", "detail": f"generation {row.generation} is live"}
        writes = [roll_forward(row, row.position, 0), *(_bound(one, known) for one in (RETIRE, GO_LIVE, FINISH_REQUESTS))]
        verdict = await self._database.commit(unit(writes, [_bound(NOT_BEHIND, known)]))
        return isinstance(verdict, Committed)

    async def give_up(self, row: GenerationRow, why: str) -> None:
        """Stop building a generation, and tell those who asked for it why."""
        # Nobody ever read it, so nobody has to be waited for before it is dropped.
        known: dict[str, Any] = {"projection": row.projection, "generation": row.generation, "state": "refused", "detail": why}
        known["long_ago"] = datetime.fromtimestamp(0, self._now().tzinfo)
        await self._commit(_bound(GIVE_UP, known), _bound(FINISH_REQUESTS, known))

    async def announce(self, projection: str, generation: int) -> None:
        """Say that a living process reads this generation."""
        known: dict[str, Any] = {"projection": projection, "generation": generation, "now": self._now()}
        await self._commit(_bound(ANNOUNCE, known))

    async def drop_forgotten(self, model: Model, keep_seconds: float) -> list[int]:
        """Drop what no living process has announced for so long: retired ones, and those of another release."""
        limit = self._now() - timedelta(seconds=keep_seconds)
        dropped = []
        for row in await self.of(model.name):
            ours = row.state != "retired" and row.fingerprint == model.fingerprint
            if not ours and row.announced_at <= limit:
                await self._database.script(_removal(row))
                dropped.append(row.generation)
        return dropped

    async def _commit(self, *writes: Bound) -> Verdict:
        return await self._database.commit(unit(writes))

    def _creation(self, model: Model, number: int, target: int, request: int | None) -> str:
        names, now = " ".join(model.renames(number).values()), self._translate.moment(self._now())
        # Literals, because a script takes no parameters: the name and the fingerprint are checked, the rest are numbers.
        parts = [
            "insert into armature_generations (projection, generation, fingerprint, tables, state, target, announced_at) "
            f"values ('{model.name}', {number}, '{model.fingerprint}', '{names}', 'building', {target}, {now})",
            f"insert into armature_checkpoints (projection, generation, shard, position) values ('{model.name}', {number}, 0, 0)",
        ]
        if request is not None:
            parts.append(
                f"update armature_requests set state = 'running', generation = {number} where id = {request} and state = 'asked'"
            )
        ddl = self._translate(renamed_ddl(model.ddl, model.renames(number)), file=model.projection.tables)
        return ";\n".join(parts) + ";\n" + ddl


def _removal(row: GenerationRow) -> str:
    where = f"where projection = '{row.projection}' and generation = {row.generation}"
    drops = [f"drop table if exists {name}" for name in row.tables.split()]
    rows = [f"delete from armature_{table} {where}" for table in ("parked", "checkpoints", "generations")]
    return ";\n".join([*drops, *rows]) + ";"


def _bound(statement: Statement, known: dict[str, Any]) -> Bound:
    return statement, tuple(known[name] for name in statement.params)
