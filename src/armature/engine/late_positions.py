"""From an outbox id to a position, where a row gets its position only after its commit (laws 8)."""

from armature.kernel.statement import select
from armature.ports.database import Database

__all__ = ["LatePositions"]

# Zero for a row without a position, so that it does not look like a row that is not there.
OF_ID = select(
    int,
    """
select coalesce(position, 0) as position from armature_outbox where id = :id
""",
    sqlite="""
select id as position from armature_outbox where id = :id
""",
)


class LatePositions:
    """Asks the outbox of one database."""

    def __init__(self, database: Database) -> None:
        self._read = database.read
        database.bind((OF_ID,))

    async def of(self, outbox_id: int) -> int | None:
        """Return the position; None while there is none. An archived row has been passed by everybody: 0."""
        (rows,) = await self._read(((OF_ID, (outbox_id,)),))
        if not rows:
            return 0
        return int(rows[0]) or None
