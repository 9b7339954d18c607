"""Invalidation that survives every death: a follower of the log that changes tags in log order and remembers how far it is.

The committing process may die between its commit and its invalidation, and a projector likewise. So the events are read again,
and the checkpoint moves only after the cache has answered; two followers at once do no harm but work.

One follower goes up to the head of the log. Queries of read models need a second one, which stays behind the slowest of them:
an answer computed after the first invalidation and before the projector's commit would otherwise be kept for its whole time.
"""

from collections.abc import Awaitable, Callable

from msgspec import Struct

from armature.engine.caching import QueryCache
from armature.engine.event_log import EventLog
from armature.engine.generations import unit
from armature.kernel.statement import change, select
from armature.ports.database import Committed, Database

__all__ = ["CacheFollower", "slowest_read_model"]

_BATCH = 500
_KNOWN = "armature.cache."


class Place(Struct, frozen=True):
    """How far a follower is, and how often that changed."""

    position: int
    version: int


PLACE = select(
    Place,
    """
select position, version from armature_checkpoints where projection = :name and generation = 0 and shard = 0
""",
)

BEGIN = change(
    """
insert into armature_checkpoints (projection, generation, shard, position) values (:name, 0, 0, :position)
    on conflict (projection, generation, shard) do nothing
""",
)

MOVE = change(
    """
update armature_checkpoints set position = :position, version = version + 1
 where projection = :projection and generation = :generation and shard = 0 and version = :expected
""",
    row=("projection", "generation"),
    cas="expected",
    rows=1,
)

SLOWEST = select(
    int,
    """
select coalesce(min(c.position), -1)
  from armature_checkpoints c
  join armature_generations g on g.projection = c.projection and g.generation = c.generation
 where g.state = 'live'
""",
)


class CacheFollower:
    """One follower: `name` is that of its checkpoint, `upto` says how far it may go now."""

    def __init__(
        self, database: Database, log: EventLog, queries: QueryCache, name: str, upto: Callable[[], Awaitable[int]]
    ) -> None:
        database.bind((PLACE, BEGIN, MOVE, SLOWEST))
        self._database = database
        self._log = log
        self._queries = queries
        self._name = _KNOWN + name
        self._upto = upto

    async def step(self) -> bool:
        """Take one batch; True while there is more. Raises what the cache raises, with nothing moved."""
        upto = await self._upto()
        place = await self._place(upto)
        if place.position >= upto:
            return False
        events = [one for one in await self._log.after(place.position, _BATCH) if one.position <= upto]
        if not events:
            return False
        if tags := self._queries.tags(events):
            await self._queries.cache.invalidate(tags)
        reached = events[-1].position
        done = await self._database.commit(unit([(MOVE, (reached, self._name, 0, place.version))]))
        return not isinstance(done, Committed) or reached < upto

    async def _place(self, upto: int) -> Place:
        (rows,) = await self._database.read(((PLACE, (self._name,)),))
        if rows:
            return rows[0]  # type: ignore[no-any-return]
        # A follower that begins has nothing behind it: no answer was kept before there was anybody to keep it.
        await self._database.commit(unit([(BEGIN, (self._name, upto))]))
        return Place(upto, 0)


def slowest_read_model(database: Database, log: EventLog) -> Callable[[], Awaitable[int]]:
    """Return what tells the position that every live read model has applied; the head, when there is none."""

    async def upto() -> int:
        head = await log.head()
        ((slowest,),) = await database.read(((SLOWEST, ()),))
        return head if slowest < 0 else min(head, int(slowest))

    return upto
