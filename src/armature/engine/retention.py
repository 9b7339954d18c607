"""Forgetting what nobody can ask for any more: expired keys, old inbox rows, ended requests.

Each in pieces that never hold the writer long. The log is not forgotten but moved (archive.py). All of it is on by default; a
table that only grows is an outage with a date.
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

REQUESTS_LEFT = select(
    datetime,
    """
select asked_at from armature_requests where state in ('done', 'refused', 'withdrawn') and asked_at <= :limit limit 1
""",
)

FORGET_REQUESTS = change(
    """
delete from armature_requests
 where id in (select r.id from armature_requests r
               where r.state in ('done', 'refused', 'withdrawn') and r.asked_at <= :limit limit :rows)
""",
    rows=None,
)

RETENTION_STATEMENTS: tuple[Statement, ...] = (
    KEYS_LEFT,
    FORGET_KEYS,
    INBOX_LEFT,
    FORGET_INBOX,
    REQUESTS_LEFT,
    FORGET_REQUESTS,
)


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
        old = now - timedelta(days=self._policy.inbox_days)
        await self._forget(INBOX_LEFT, FORGET_INBOX, old)
        await self._forget(REQUESTS_LEFT, FORGET_REQUESTS, old)

    async def _forget(self, left: Select[datetime], forget: Change, limit: datetime) -> None:
        values = {"limit": limit, "rows": _PIECE_ROWS}
        while (await self._database.read(((left, (limit,)),)))[0]:
            verdict = await self._database.commit(unit([(forget, tuple(values[name] for name in forget.params))]))
            if not isinstance(verdict, Committed):
                return
