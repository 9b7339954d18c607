"""Forgetting what nobody can ask for any more: expired keys and old inbox rows, in pieces that never hold the writer long.

The log is not forgotten but moved (archive.py). All of it is on by default; a table that only grows is an outage with a date.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from armature.engine.generations import unit
from armature.engine.policies import RetentionPolicy
from armature.kernel.statement import Change, Select, Statement, change, select
from armature.ports.database import Committed, Database

__all__ = ["RETENTION_STATEMENTS", "Retention"]

# A piece takes a few milliseconds of the writer, so that a command behind it does not notice.
_PIECE_ROWS = 500

KEYS_LEFT = select(
    datetime,
    """
select expires_at from armature_keys where expires_at <= :limit order by expires_at limit 1
""",
)

FORGET_KEYS = change(
    """
delete from armature_keys
 where (tenant_id, scope) in (select k.tenant_id, k.scope from armature_keys k where k.expires_at <= :limit
                               order by k.expires_at limit :rows)
""",
    rows=None,
)

INBOX_LEFT = select(
    datetime,
    """
select taken_at from armature_inbox where taken_at <= :limit order by taken_at limit 1
""",
)

FORGET_INBOX = change(
    """
delete from armature_inbox
 where (consumer, event_id) in (select i.consumer, i.event_id from armature_inbox i where i.taken_at <= :limit
                                 order by i.taken_at limit :rows)
""",
    rows=None,
)

RETENTION_STATEMENTS: tuple[Statement, ...] = (KEYS_LEFT, FORGET_KEYS, INBOX_LEFT, FORGET_INBOX)


class Retention:
    """What one database forgets."""

    def __init__(self, database: Database, policy: RetentionPolicy, now: Callable[[], datetime]) -> None:
        self._database = database
        self._policy = policy
        self._now = now
        database.bind(RETENTION_STATEMENTS)

    async def run(self) -> None:
        """Forget everything that is due now."""
        now = self._now()
        await self._forget(KEYS_LEFT, FORGET_KEYS, now)
        await self._forget(INBOX_LEFT, FORGET_INBOX, now - timedelta(days=self._policy.inbox_days))

    async def _forget(self, left: Select[datetime], forget: Change, limit: datetime) -> None:
        values = {"limit": limit, "rows": _PIECE_ROWS}
        while (await self._database.read(((left, (limit,)),)))[0]:
            verdict = await self._database.commit(unit([(forget, tuple(values[name] for name in forget.params))]))
            if not isinstance(verdict, Committed):
                return
