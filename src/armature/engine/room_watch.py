"""Looks how many events wait for the broker: the log's head beside the cursor of the relay, whoever relays (room.py)."""

import logging
from collections.abc import Sequence

from armature.engine.event_log import HEAD
from armature.engine.relay import BROKER, CURSOR
from armature.engine.room import Room
from armature.kernel.statement import Statement
from armature.ports.database import Database

__all__ = ["ROOM_STATEMENTS", "RoomWatch"]

log = logging.getLogger("armature.room")

ROOM_STATEMENTS: tuple[Statement, ...] = (HEAD, CURSOR)


class RoomWatch:
    """Looks at log and cursor, and says whether there is room for more."""

    def __init__(self, database: Database, room: Room, backlog_max: int) -> None:
        database.bind(ROOM_STATEMENTS)
        self._read = database.read
        self._room = room
        self._most = backlog_max

    async def look(self) -> bool:
        """Look once; what was seen last holds while the database cannot be asked."""
        heads, cursors = await self._read(((HEAD, ()), (CURSOR, (BROKER,))))
        room = self._room
        room.waiting = _waiting(heads, [cursor.position for cursor in cursors])
        full = room.waiting >= self._most
        if full != room.full:
            room.full = full
            if full:
                log.error("%d events wait for the broker, as many as may: commands that tell events are refused", room.waiting)
            else:
                log.info("there is room again: %d events wait for the broker", room.waiting)
        return False


def _waiting(heads: Sequence[int], positions: Sequence[int]) -> int:
    # A relay that has never begun begins with the first event there is.
    return max(0, int(heads[0]) - (positions[0] if positions else 0))
