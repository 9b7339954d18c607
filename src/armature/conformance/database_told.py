"""What the laws of a database read from the log and change in it: the framework's own table."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from armature.kernel.statement import Statement, change, select

__all__ = ["EVENT_IDS", "FORGET", "OF_THE_LOG", "TELL_AGAIN", "TOLD", "Told"]


class Told(Struct, frozen=True):
    """What an event remembers of itself."""

    event_id: UUID
    occurred_at: datetime


EVENT_IDS = select(int, "select id from armature_outbox order by id")
TOLD = select(Told, "select event_id, occurred_at from armature_outbox order by id")
TELL_AGAIN = change("update armature_outbox set event_id = :event_id, occurred_at = :at where id = :id")
FORGET = change("delete from armature_outbox where id >= :first", rows=None)

OF_THE_LOG: tuple[Statement, ...] = (EVENT_IDS, TOLD, TELL_AGAIN, FORGET)
