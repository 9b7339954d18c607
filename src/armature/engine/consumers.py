"""All consumers that ever ran on a database, beside its log; and the forgetting of one that no module has any more.

A reaction that was removed leaves its group at the broker, which goes on keeping events for it until there is no room for new
ones, and its row here, up to which the relay takes everything for needed. Nobody can know that it will not come back with
the next release, so forgetting is somebody's decision (`armature quarantined forget`), and it is whole: one that comes back
later begins anew.
"""

from msgspec import Struct

from armature.engine.checkpoints import ahead, foreign
from armature.engine.event_log import HEAD, IDENTITY, Identity
from armature.engine.generations import unit
from armature.engine.relay import BROKER, CURSOR
from armature.kernel.statement import Change, Select, Statement, change, select
from armature.ports.bus import Bus
from armature.ports.database import Committed, Database

__all__ = ["CONSUMERS_STATEMENTS", "Consumers", "Marks"]

# A piece takes a few milliseconds of the writer, so that a command behind it does not notice.
_PIECE_ROWS = 500


class _Consumer(Struct, frozen=True):
    consumer: str
    log: str
    epoch: int
    position: int


class _Checkpoint(Struct, frozen=True):
    projection: str
    position: int


ALL = select(_Consumer, "select consumer, log, epoch, position from armature_consumers order by consumer limit 1000")

CHECKPOINTS = select(
    _Checkpoint,
    """
select c.projection, max(c.position) as position
  from armature_checkpoints c
  join armature_generations g on g.projection = c.projection and g.generation = c.generation
 where g.state <> 'retired'
 group by c.projection
 order by c.projection
 limit 1000
""",
)

INBOX_LEFT = select(int, "select 1 as found from armature_inbox where consumer = :consumer limit 1")

FORGET_INBOX = change(
    """
delete from armature_inbox
 where (consumer, event_id) in (select i.consumer, i.event_id from armature_inbox i where i.consumer = :consumer limit :rows)
""",
    rows=None,
)

STREAMS_LEFT = select(int, "select 1 as found from armature_consumed where consumer = :consumer limit 1")

FORGET_STREAMS = change(
    """
delete from armature_consumed
 where (consumer, tenant_id, stream) in (select p.consumer, p.tenant_id, p.stream from armature_consumed p
                                          where p.consumer = :consumer limit :rows)
""",
    rows=None,
)

FORGET_LETTERS = change("delete from armature_dead_letters where consumer = :consumer", rows=None)

FORGET_ROW = change("delete from armature_consumers where consumer = :consumer", rows=None)

CONSUMERS_STATEMENTS: tuple[Statement, ...] = (
    ALL, CHECKPOINTS, INBOX_LEFT, FORGET_INBOX, STREAMS_LEFT, FORGET_STREAMS, FORGET_LETTERS, FORGET_ROW
)  # fmt: skip


class Marks(Struct, frozen=True):
    """How far everybody has come: by consumer the position it is done with; `wrong` is who must halt, and why (I11).

    `pulling` are the consumers whose position is one of another database's log, which no broker carries to them.
    """

    head: int
    consumers: dict[str, int]
    wrong: list[str]
    pulling: frozenset[str] = frozenset()


class Consumers:
    """The consumers of one database."""

    def __init__(self, database: Database) -> None:
        database.bind((*CONSUMERS_STATEMENTS, HEAD, IDENTITY, CURSOR))
        self._database = database

    async def marks(self) -> Marks:
        """Hold everybody's mark against the log, as of one state."""
        asks = ((IDENTITY, ()), (HEAD, ()), (ALL, ()), (CURSOR, (BROKER,)), (CHECKPOINTS, ()))
        (log,), (head,), consumers, cursors, checkpoints = await self._database.read(asks)
        # A consumer of another module's log keeps its mark here, too; that one is not to be held against this log.
        mine = [one for one in consumers if one.log == log.log]
        marks = [(f"consumer {one.consumer}", Identity(one.log, one.epoch), one.position) for one in mine]
        marks += [(f"relay {one.sink}", Identity(one.log, one.epoch), one.position) for one in cursors]
        wrong = [foreign(who, of, position, log, head) for who, of, position in marks]
        wrong += [ahead(one.projection, one.position, head) for one in checkpoints]
        pulling = frozenset(one.consumer for one in consumers if one.log != log.log)
        return Marks(head, {one.consumer: one.position for one in consumers}, [why for why in wrong if why], pulling)

    async def forget(self, name: str, bus: Bus) -> None:
        """Forget a consumer: its group, what it took, what it parked, and at last itself. Interrupted, it is done once more."""
        await bus.forget(name)
        await self._pieces(name, INBOX_LEFT, FORGET_INBOX)
        await self._pieces(name, STREAMS_LEFT, FORGET_STREAMS)
        await self._database.commit(unit([(FORGET_LETTERS, (name,)), (FORGET_ROW, (name,))]))

    async def _pieces(self, name: str, left: Select[int], forget: Change) -> None:
        values = {"consumer": name, "rows": _PIECE_ROWS}
        while (await self._database.read(((left, (name,)),)))[0]:
            verdict = await self._database.commit(unit([(forget, tuple(values[one] for one in forget.params))]))
            if not isinstance(verdict, Committed):
                return
